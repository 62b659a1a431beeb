//! Whether model, data and method of a step go together.

use engraft_continual::{Labels, methods};
use engraft_method::{Offer, unmet};
use engraft_nets::Network;
use engraft_train::Precision;

use super::{
    ModelStep, Save, Work,
    resolve::{Resolver, Standing},
};
use crate::{
    plan::{Data, Model},
    recipe::Section,
};

impl Resolver<'_> {
    /// Refuses rows that a model cannot read whole.
    fn fits_context(&self, data: &str, model: &str) {
        let found = || {
            let network = self.standing(model)?.model;
            network.too_long(self.opened(data)?, self.known.tokenizer?)
        };
        if let Some((longest, context)) = found() {
            self.complaints.add(
                &format!("data.{data}"),
                format!(
                    "its rows have up to {longest} tokens, the context of `{model}` is {context}; \
                     raise `context` to {longest} or more"
                ),
            );
        }
    }

    /// Refuses what model, teacher and data cannot give.
    pub(super) fn fits(&self, section: &Section<'_>, step: &ModelStep) {
        let complain = |what: String| self.complaints.add(&section.place, what);
        let tokenizer = self.known.tokenizer;
        let (Some(data), Some(student)) = (self.opened(&step.on), self.standing(&step.model))
        else {
            return;
        };
        let student = student.model;
        let mut seen = vec![("on", &step.on)];
        seen.extend(step.keep.iter().map(|name| ("keep", name)));
        if let Work::Learn {
            replay, calibrate, ..
        } = &step.work
        {
            seen.extend(replay.iter().map(|replay| ("replay", replay)));
            seen.extend(calibrate.iter().map(|texts| ("calibrate", texts)));
        }
        let learns = matches!(step.work, Work::Learn { .. } | Work::Distill { .. });
        for (key, name) in seen {
            let Some(data) = self.opened(name) else {
                continue;
            };
            if let Some(problem) = student.cannot_take(data) {
                complain(format!("{key} `{name}`: {problem}"));
                continue;
            }
            self.fits_context(name, &step.model);
            let place = format!("data.{name}");
            let uses = ["replay", "calibrate"].contains(&key) || (key == "on" && learns);
            if uses && data.measures_what_it_trains() {
                complain(format!(
                    "{key} `{name}`: its `test` is the very text that is trained or calibrated on; \
                     name another `test`, or leave it out to hold some back"
                ));
            }
            let trains = !["keep", "calibrate"].contains(&key) && learns;
            let whole = matches!(
                step.work,
                Work::Learn {
                    labels: Labels::Text,
                    ..
                }
            );
            let checks = [
                trains.then(|| data.gives_no_batches(tokenizer, &step.train, whole)),
                tokenizer.map(|tokenizer| data.measures_nothing(tokenizer)),
            ];
            if let Some(problem) = checks.into_iter().flatten().flatten().next() {
                self.complaints.add(&place, problem);
            }
        }
        let device = student.network().parameters()[0].device();
        if let Err(error) = step.train.validate_device(&device) {
            complain(error.to_string());
        }
        if let Err(error) = step.train.validate_groups(student.network()) {
            complain(error.to_string());
        }
        if let Work::Learn {
            method,
            settings,
            calibrate,
            ..
        } = &step.work
        {
            let entry = methods::find(method).expect("found above");
            if let Err(problem) = entry.fits(settings, student.network()) {
                self.complaints
                    .add(&format!("{}.method.{method}", section.place), problem);
            }
            let calibrated = calibrate.iter().map(|_| Offer::Calibration);
            let offers: Vec<Offer> = calibrated.collect();
            if let Some(sentence) = unmet(method, entry.method.needs, &offers) {
                complain(sentence);
            }
        }
        self.fits_output(section, step);
        if step.train.recompute && step.train.precision != Precision::F32 {
            complain("recompute: works in f32; leave `precision` or `recompute` out".to_owned());
        }
        if step.train.recompute && !student.network().boxed_clone().recomputes(true) {
            complain("recompute: only Llama-family models can; leave it out".to_owned());
        }
        if let Work::Learn {
            stepping_stones,
            calibrate,
            ..
        } = &step.work
        {
            if stepping_stones.is_some() && !matches!(data, Data::Facts { .. }) {
                complain("stepping_stones needs data of `facts`, whose hints it uses".to_owned());
            }
            if section.raw("labels").is_some() && !matches!(data, Data::Facts { .. }) {
                complain("labels says what is predicted of `facts`; this is other data".to_owned());
            }
            let texts = calibrate
                .iter()
                .filter_map(|name| Some((name, self.opened(name)?)));
            for (name, texts) in texts {
                if matches!(texts, Data::Biographies { .. } | Data::Images { .. }) {
                    complain(format!("calibrate `{name}` holds no texts to calibrate on"));
                }
            }
        }
        if let Work::Prune { base, .. } = &step.work {
            let shapes = |network: &dyn Network| -> Vec<(String, Vec<usize>)> {
                let parameters = network.parameters().into_iter();
                parameters
                    .map(|p| (p.name.clone(), p.value.dims()))
                    .collect()
            };
            if let Some(base_model) = self.standing(base)
                && shapes(base_model.model.network()) != shapes(student.network())
            {
                complain(format!(
                    "`{}` and its base `{base}` are models of different shapes",
                    step.model
                ));
            }
        }
        let Work::Distill {
            teacher, method, ..
        } = &step.work
        else {
            return;
        };
        let Some(Standing {
            model: teacher_model,
            ..
        }) = self.standing(teacher)
        else {
            return;
        };
        if let Some(problem) = teacher_model.cannot_take(data) {
            complain(format!(
                "the teacher `{teacher}` and the data `{}`: {problem}",
                step.on
            ));
            return;
        }
        self.fits_context(&step.on, teacher);
        let entry = engraft_distill::find(method).expect("found above");
        let offers = offers(student, teacher_model, data);
        if let Some(sentence) = unmet(method, entry.method.needs, &offers) {
            complain(sentence);
        }
    }
}

impl Resolver<'_> {
    /// Refuses what cannot become of a step's model.
    fn fits_output(&self, section: &Section<'_>, step: &ModelStep) {
        let complain = |what: &str| self.complaints.add(&section.place, what);
        let has_adapter = match &step.work {
            Work::Learn { method, .. } => methods::find(method).is_some_and(|entry| entry.adapter),
            _ => false,
        };
        if step.output.save == Save::Adapter && !has_adapter {
            complain("save: adapter works where an adapter is trained: teach by lora or kore");
        }
        if step.output.save == Save::Nothing && self.known.given.contains(&step.name) {
            complain(
                "save: nothing needs a `name` that is no model of the recipe, which would stand in \
                 for it when the run is taken up again",
            );
        }
        let texts = |name: &String| self.opened(name).is_none_or(Data::is_text);
        if step.output.max_loss.is_some() && !step.keep.iter().any(texts) {
            complain("max_loss needs `keep`: texts or facts that the model is to keep");
        }
        if let Work::Prune { method, .. } = &step.work
            && method == "shrink"
            && !self.opened(&step.on).is_none_or(Data::is_text)
        {
            complain("shrink weighs log-probabilities of text, and this step has images");
        }
    }
}

fn offers(student: &Model, teacher: &Model, data: &Data) -> Vec<Offer> {
    let (ours, theirs) = (
        student.network().capabilities(),
        teacher.network().capabilities(),
    );
    let mut offers = vec![Offer::FullLogits];
    if ours.classes == theirs.classes && ours.causal_lm == theirs.causal_lm {
        offers.push(Offer::SameVocabulary);
    }
    if ours.classes >= 3 {
        offers.push(Offer::ThreeClasses);
    }
    if !ours.causal_lm {
        offers.push(Offer::ClassLabels);
    }
    if ours.pooled_features && theirs.pooled_features {
        offers.push(Offer::PooledFeatures);
    }
    if data.samples().is_some() {
        offers.push(Offer::SampleIndex);
    }
    offers
}
