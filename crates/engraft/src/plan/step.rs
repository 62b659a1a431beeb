//! The steps of a plan: verbs with every name resolved and every need checked.

use engraft_distill::Weights;
use engraft_method::{Offer, Settings, suggest::hint, unmet};
use engraft_train::TrainConfig;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::{Data, Model};
use crate::recipe::{Complaints, Section};

/// One step: a model goes in, a model comes out under the step's name.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub name: String,
    pub verb: &'static str,
    /// The model that learns: of the recipe, or the name of an earlier step.
    pub model: String,
    /// The data it learns from.
    pub on: String,
    /// Data the model knew before: measured before and after.
    pub keep: Vec<String>,
    pub work: Work,
    pub train: TrainConfig,
}

/// What the step does with the data.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Cross-entropy on the data, part of each batch replayed from data it knew.
    Learn {
        replay: Option<String>,
        replay_share: f64,
    },
    /// Matching a teacher.
    Distill {
        teacher: String,
        method: String,
        settings: Value,
        label_weight: f64,
        teacher_weight: f64,
    },
    /// Measuring only.
    Probe,
}

impl Step {
    /// One clause for tables: what was done.
    pub fn what(&self) -> String {
        match &self.work {
            Work::Learn {
                replay: Some(replay),
                replay_share,
            } => format!(
                "{} on {}, {:.0} % of each batch replayed from {replay}",
                self.model,
                self.on,
                replay_share * 100.0
            ),
            Work::Learn { .. } => format!("{} on {}", self.model, self.on),
            Work::Distill {
                teacher, method, ..
            } => {
                format!("{teacher} into {} by {method}, on {}", self.model, self.on)
            }
            Work::Probe => format!("{} measured on {}", self.model, self.on),
        }
    }

    /// How labels and teacher share the loss.
    pub fn weights(&self) -> Weights {
        match self.work {
            Work::Distill {
                label_weight,
                teacher_weight,
                ..
            } => Weights {
                labels: label_weight,
                teacher: teacher_weight,
            },
            _ => Weights {
                labels: 1.0,
                teacher: 0.0,
            },
        }
    }
}

/// What is known of a model before anything ran.
struct Known<'a> {
    model: &'a Model,
    /// Data it has learned in earlier steps.
    learned: Vec<String>,
}

struct Resolver<'a> {
    data: &'a IndexMap<String, Data>,
    known: IndexMap<String, Known<'a>>,
    seed: u64,
    complaints: Complaints,
}

/// Resolves the list of steps; what is wrong goes to `complaints`.
pub(super) fn resolve(
    steps: &[Value],
    data: &IndexMap<String, Data>,
    models: &IndexMap<String, Model>,
    seed: u64,
    complaints: &Complaints,
) -> Vec<Step> {
    let known = models
        .iter()
        .map(|(name, model)| {
            (
                name.clone(),
                Known {
                    model,
                    learned: Vec::new(),
                },
            )
        })
        .collect();
    let mut resolver = Resolver {
        data,
        known,
        seed,
        complaints: complaints.clone(),
    };
    let resolved: Vec<Step> = steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| resolver.step(index, step))
        .collect();
    if steps.is_empty() {
        complaints.add("steps", "the list is empty; there is nothing to run");
    }
    resolved
}

const VERBS: [&str; 4] = ["train", "distill", "teach", "probe"];

impl<'a> Resolver<'a> {
    fn step(&mut self, index: usize, step: &Value) -> Option<Step> {
        let place = format!("steps.{index}");
        let single = step.as_object().filter(|map| map.len() == 1);
        let Some((verb, body)) = single.and_then(|map| map.iter().next()) else {
            self.complaints.add(
                &place,
                format!("must be one of {} with its keys below it", VERBS.join(", ")),
            );
            return None;
        };
        let Some(verb) = VERBS.into_iter().find(|known| known == verb) else {
            self.complaints.add(
                &place,
                format!("unknown step `{verb}`; {}", hint(verb, VERBS)),
            );
            return None;
        };
        let section = Section::new(format!("{place}.{verb}"), body, &self.complaints)?;
        let resolved = self.body(verb, &section);
        section.finish();
        let resolved = resolved?;
        self.outcome(&section.place, &resolved);
        Some(resolved)
    }

    fn body(&self, verb: &'static str, section: &Section<'_>) -> Option<Step> {
        let learner = if verb == "distill" {
            "student"
        } else {
            "model"
        };
        let model: Option<String> = section.need(learner, "the name of a model");
        let on: Option<String> = section.need("on", "the name of the data");
        let keep: Vec<String> = section.get("keep").unwrap_or_default();
        let name: Option<String> = section.get("name");
        let train = self.train(section);
        let work = self.work(verb, section);
        let model = self.model(section, learner, model?)?;
        let on = self.data_name(section, "on", on?)?;
        let name = name.unwrap_or_else(|| format!("{verb}-{model}"));
        let learned = &self.known[&model].learned;
        let mut before: Vec<String> = learned
            .iter()
            .filter(|known| **known != on)
            .cloned()
            .collect();
        for extra in keep {
            let extra = self.data_name(section, "keep", extra)?;
            if extra != on && !before.contains(&extra) {
                before.push(extra);
            }
        }
        let step = Step {
            name,
            verb,
            model,
            on,
            keep: before,
            work: work?,
            train: train?,
        };
        self.fits(section, &step);
        Some(step)
    }

    /// Training settings: the keys of [`TrainConfig`] among the step's own.
    fn train(&self, section: &Section<'_>) -> Option<TrainConfig> {
        let names = TrainConfig::fields().into_iter().map(|field| field.name);
        let mut settings = section.rest(names);
        settings.entry("seed").or_insert(Value::from(self.seed));
        let complain = |error: String| self.complaints.add(&section.place, error);
        let train: TrainConfig = serde_json::from_value(Value::Object(settings))
            .map_err(|error| complain(error.to_string()))
            .ok()?;
        train
            .validate()
            .map_err(|error| complain(error.to_string()))
            .ok()?;
        Some(train)
    }

    fn work(&self, verb: &str, section: &Section<'_>) -> Option<Work> {
        match verb {
            "distill" => self.distill(section),
            "probe" => Some(Work::Probe),
            _ => {
                let replay: Option<String> = section.get("replay");
                let share: Option<f64> = section.get("replay_share");
                let replay = match replay {
                    Some(name) => Some(self.data_name(section, "replay", name)?),
                    None => None,
                };
                let share = share.unwrap_or(if replay.is_some() { 0.5 } else { 0.0 });
                if !(0.0..1.0).contains(&share) {
                    self.complaints.add(
                        &section.place,
                        format!("replay_share is {share}; it must lie from 0 to below 1"),
                    );
                }
                if replay.is_none() && share > 0.0 {
                    self.complaints.add(
                        &section.place,
                        "replay_share needs `replay`: the data to replay",
                    );
                }
                Some(Work::Learn {
                    replay,
                    replay_share: share,
                })
            }
        }
    }

    fn distill(&self, section: &Section<'_>) -> Option<Work> {
        let teacher: Option<String> = section.need("teacher", "the name of a model");
        let label_weight = section.get("label_weight").unwrap_or(0.0);
        let teacher_weight = section.get("teacher_weight").unwrap_or(1.0);
        let written = section.raw("method").cloned().unwrap_or(Value::from("kl"));
        let (method, settings) = match &written {
            Value::String(name) => (name.clone(), Value::Null),
            Value::Object(map) if map.len() == 1 => {
                let (name, settings) = map.iter().next().expect("one entry");
                (name.clone(), settings.clone())
            }
            _ => {
                self.complaints.add(
                    &section.place,
                    "method must be a name, or one name with settings below it",
                );
                return None;
            }
        };
        let Some(entry) = engraft_distill::find(&method) else {
            let names: Vec<&str> = engraft_distill::all()
                .iter()
                .map(|e| e.method.name)
                .collect();
            self.complaints.add(
                &section.place,
                format!("unknown method `{method}`; {}", hint(&method, names)),
            );
            return None;
        };
        let settings = entry
            .normalise(&settings)
            .map_err(|error| {
                self.complaints
                    .add(&format!("{}.method.{method}", section.place), error)
            })
            .ok()?;
        let teacher = self.model(section, "teacher", teacher?)?;
        Some(Work::Distill {
            teacher,
            method,
            settings,
            label_weight,
            teacher_weight,
        })
    }

    /// Refuses what model, teacher and data cannot give.
    fn fits(&self, section: &Section<'_>, step: &Step) {
        let data = &self.data[&step.on];
        let student = self.known[&step.model].model;
        let complain = |what: String| self.complaints.add(&section.place, what);
        let mut seen = vec![("on", &step.on)];
        seen.extend(step.keep.iter().map(|name| ("keep", name)));
        if let Work::Learn {
            replay: Some(replay),
            ..
        } = &step.work
        {
            seen.push(("replay", replay));
        }
        for (key, name) in seen {
            if let Some(problem) = student.cannot_take(&self.data[name]) {
                complain(format!("{key} `{name}`: {problem}"));
            }
        }
        if let Err(error) = step.train.validate_groups(student.network()) {
            complain(error.to_string());
        }
        let Work::Distill {
            teacher, method, ..
        } = &step.work
        else {
            return;
        };
        let teacher_model = self.known[teacher].model;
        if let Some(problem) = teacher_model.cannot_take(data) {
            complain(format!(
                "the teacher `{teacher}` and the data `{}`: {problem}",
                step.on
            ));
        }
        let entry = engraft_distill::find(method).expect("found above");
        let offers = offers(student, teacher_model, data);
        if let Some(sentence) = unmet(method, entry.method.needs, &offers) {
            complain(sentence);
        }
    }

    fn outcome(&mut self, place: &str, step: &Step) {
        if matches!(step.work, Work::Probe) {
            return;
        }
        if self.known.contains_key(&step.name)
            && self.known[&step.name].learned.iter().any(|_| true)
        {
            self.complaints.add(
                place,
                format!(
                    "the name `{}` is taken by an earlier step; give this one a `name`",
                    step.name
                ),
            );
        }
        let before = &self.known[&step.model];
        let mut learned = before.learned.clone();
        if !learned.contains(&step.on) {
            learned.push(step.on.clone());
        }
        let model = before.model;
        self.known
            .insert(step.name.clone(), Known { model, learned });
    }

    fn model(&self, section: &Section<'_>, key: &str, name: String) -> Option<String> {
        if self.known.contains_key(&name) {
            return Some(name);
        }
        let known: Vec<&str> = self.known.keys().map(String::as_str).collect();
        self.complaints.add(
            &section.place,
            format!(
                "{key} `{name}` is no model and no earlier step; {}",
                hint(&name, known)
            ),
        );
        None
    }

    fn data_name(&self, section: &Section<'_>, key: &str, name: String) -> Option<String> {
        if self.data.contains_key(&name) {
            return Some(name);
        }
        let known: Vec<&str> = self.data.keys().map(String::as_str).collect();
        self.complaints.add(
            &section.place,
            format!(
                "{key} `{name}` is no data of this recipe; {}",
                hint(&name, known)
            ),
        );
        None
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
