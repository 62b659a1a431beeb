//! The model of a step: taught, distilled or pruned.

use std::time::Instant;

use anyhow::Context;
use engraft_continual::{Labels, Lesson, Recall, Update, methods, prunings};
use engraft_distill::{Distillation, Run};
use engraft_nets::{Batch, Input, Network, Role, linear::merge};
use engraft_probe::measurement::Unit;
use engraft_train::{
    BatchSource, Curve, Loss, RunFiles, Trainer,
    data::{Record, Replay, Sampling},
};
use serde_json::{Value, json};

use super::Session;
use crate::{
    measure,
    plan::{
        Data, ModelStep, Work,
        data::{encoder, facts_source, marks},
    },
};

/// What a step made.
pub(super) struct Made {
    /// Plain, deltas merged.
    pub network: Box<dyn Network>,
    /// The same with its deltas beside the weights, where it was trained with some.
    pub adapted: Option<Box<dyn Network>>,
    pub curve: Curve,
    pub seconds: f64,
    pub tokens: u64,
    pub trained_parameters: u64,
    /// What the method has to say about itself.
    pub report: Value,
    pub warnings: Vec<String>,
}

impl Made {
    fn plain(network: Box<dyn Network>) -> Self {
        Self {
            network,
            adapted: None,
            curve: Curve::default(),
            seconds: 0.0,
            tokens: 0,
            trained_parameters: 0,
            report: json!({}),
            warnings: Vec::new(),
        }
    }
}

impl Session<'_> {
    /// Makes the model of a step from models that are here.
    pub(super) fn make(&self, step: &ModelStep, files: &RunFiles) -> anyhow::Result<Made> {
        match &step.work {
            Work::Probe => Ok(Made::plain(self.models[&step.model].detached())),
            Work::Prune {
                base,
                method,
                settings,
            } => self.prune(step, base, method, settings),
            Work::Distill { .. } => {
                let network = self.models[&step.model].detached();
                let loss = self.distillation(step)?;
                self.train(step, network, loss, &*self.source(step)?, files)
            }
            Work::Learn { .. } => self.teach(step, files),
        }
    }

    fn train(
        &self,
        step: &ModelStep,
        network: Box<dyn Network>,
        mut loss: Box<dyn Loss>,
        source: &dyn BatchSource,
        files: &RunFiles,
    ) -> anyhow::Result<Made> {
        let data = &self.plan.data[&step.on];
        let held_out = data.held_out(self.plan.tokenizer.as_ref(), &step.train)?;
        let trainer = Trainer {
            held_out: held_out.as_deref(),
            ..Trainer::new(&step.name, &step.train, files, &*self.progress, &self.stop)
        };
        let trained_parameters = network
            .parameters()
            .iter()
            .filter(|parameter| parameter.trainable)
            .map(|parameter| parameter.value.len() as u64)
            .sum();
        let trained = trainer.run(network, &mut *loss, source, &mut [])?;
        let mut network = trained.network.detached();
        let has_deltas = network
            .linears_mut()
            .iter()
            .any(|layer| layer.deltas().next().is_some());
        let adapted = has_deltas.then(|| network.boxed_clone());
        merge(&mut *network);
        // What a method froze is its own affair: the next step starts from a whole model.
        for parameter in network.parameters_mut() {
            parameter.trainable = parameter.role != Role::Statistic;
        }
        Ok(Made {
            adapted,
            curve: trained.curve,
            seconds: trained.seconds,
            tokens: trained.tokens,
            trained_parameters,
            ..Made::plain(network)
        })
    }

    fn teach(&self, step: &ModelStep, files: &RunFiles) -> anyhow::Result<Made> {
        let Work::Learn {
            method,
            settings,
            calibrate,
            ..
        } = &step.work
        else {
            unreachable!("only learning steps are taught");
        };
        let started = Instant::now();
        let source = self.source(step)?;
        let calibration = match calibrate {
            Some(name) => self.sequences(&self.plan.data[name]),
            None => Vec::new(),
        };
        let lesson = Lesson {
            calibration: &calibration,
            seed: step.train.seed,
        };
        let entry = methods::find(method).context("the plan found this method")?;
        let prepared = entry
            .prepare(settings, self.models[&step.model].detached(), &lesson)
            .map_err(anyhow::Error::msg)?;
        let preparing = started.elapsed().as_secs_f64();
        let mut made = self.train(step, prepared.network, prepared.loss, &*source, files)?;
        made.seconds += preparing;
        made.report["method"] = prepared.report;
        made.warnings = prepared.warnings;
        Ok(made)
    }

    fn source(&self, step: &ModelStep) -> anyhow::Result<Box<dyn BatchSource>> {
        let tokenizer = self.plan.tokenizer.as_ref();
        let data = &self.plan.data[&step.on];
        let Work::Learn {
            replay,
            replay_share,
            labels,
            stepping_stones,
            ..
        } = &step.work
        else {
            return Ok(data.source(tokenizer, &step.train)?);
        };
        let new = match data {
            Data::Facts { facts, context, .. } => {
                let facts = match stepping_stones {
                    None => facts.clone(),
                    Some(threshold) => measure::stepping_stones(
                        facts,
                        *threshold,
                        *context,
                        tokenizer,
                        &*self.models[&step.model],
                    ),
                };
                let tokenizer = tokenizer.context("the plan gives every recipe with text one")?;
                let (whole, sampling) = (*labels == Labels::Text, Sampling::from(&step.train));
                Box::new(facts_source(&facts, tokenizer, *context, whole, sampling)?)
            }
            other => other.source(tokenizer, &step.train)?,
        };
        let Some(replay) = replay else {
            return Ok(new);
        };
        let old = self.plan.data[replay].source(tokenizer, &step.train)?;
        let padding = tokenizer.map_or(0, engraft_nets::Tokenizer::pad);
        Ok(Box::new(Replay::new(new, old, *replay_share, padding)?))
    }

    fn distillation(&self, step: &ModelStep) -> anyhow::Result<Box<dyn Loss>> {
        let Work::Distill {
            teacher,
            method,
            settings,
            ..
        } = &step.work
        else {
            unreachable!("only distilling steps have a teacher");
        };
        let teacher = &*self.models[teacher];
        let entry = engraft_distill::find(method).context("the plan found this method")?;
        let run = Run {
            steps: step.train.steps,
            student: self.models[&step.model].capabilities(),
            teacher: teacher.capabilities(),
            samples: self.plan.data[&step.on].samples(),
            seed: step.train.seed,
        };
        let objective = entry
            .objective(settings, &run)
            .map_err(anyhow::Error::msg)?;
        Ok(Box::new(Distillation::new(
            teacher,
            objective,
            step.weights(),
        )))
    }

    /// The training part of some data as sequences to calibrate on, one a batch.
    fn sequences(&self, data: &Data) -> Vec<Batch> {
        let Some(tokenizer) = &self.plan.tokenizer else {
            return Vec::new();
        };
        let encode = encoder(tokenizer);
        let marks = marks(tokenizer);
        let cut = |ids: Vec<u32>, context: usize| -> Vec<Vec<u32>> {
            ids.chunks(context).map(<[u32]>::to_vec).collect()
        };
        // As in training: documents between their marks, a long text as it goes on.
        let documents = |texts: Vec<String>, context: usize| -> Vec<Vec<u32>> {
            let ids = texts.iter().map(|text| marks.around(encode(text)));
            ids.flat_map(|ids| cut(ids, context)).collect()
        };
        let rows = match data {
            Data::Text { train, context, .. } => cut(encode(train), *context),
            Data::Records { train, context, .. } => {
                documents(train.iter().map(Record::text).collect(), *context)
            }
            Data::Facts { facts, context, .. } => {
                let texts = facts.iter().map(|fact| fact.fact.clone());
                documents(texts.collect(), *context)
            }
            Data::Biographies { .. } | Data::Images { .. } => Vec::new(),
        };
        let batch = |ids: Vec<u32>| Batch {
            labels: vec![engraft_nets::IGNORE; ids.len()],
            samples: vec![0],
            input: Input::Tokens {
                shape: [1, ids.len()],
                ids,
            },
        };
        rows.into_iter()
            .filter(|ids| ids.len() > 1)
            .map(batch)
            .collect()
    }

    fn prune(
        &self,
        step: &ModelStep,
        base: &str,
        method: &str,
        settings: &Value,
    ) -> anyhow::Result<Made> {
        let started = Instant::now();
        let (base, taught) = (&*self.models[base], &*self.models[&step.model]);
        let pairs = base.parameters().into_iter().zip(taught.parameters());
        let mut update: Vec<Update> = pairs
            .filter_map(|(before, after)| {
                let (old, new) = (before.value.to_vec(), after.value.to_vec());
                (old != new).then(|| Update {
                    name: before.name.clone(),
                    change: new.iter().zip(&old).map(|(new, old)| new - old).collect(),
                })
            })
            .collect();
        anyhow::ensure!(
            !update.is_empty(),
            "`{}` is equal to its base: there is no update to prune",
            step.model
        );
        let entry = prunings::find(method).context("the plan found this rule")?;
        let mut tested = Tested {
            session: self,
            step,
            base,
        };
        let report = entry
            .prune(settings, &mut update, &mut tested, step.train.seed)
            .map_err(anyhow::Error::msg)?;
        let mut made = Made::plain(changed(base, &update));
        made.report["method"] = report;
        made.seconds = started.elapsed().as_secs_f64();
        Ok(made)
    }
}

/// A network with an update added to its weights.
fn changed(base: &dyn Network, update: &[Update]) -> Box<dyn Network> {
    let mut network = base.detached();
    for parameter in network.parameters_mut() {
        if let Some(found) = update.iter().find(|update| update.name == parameter.name) {
            let old = parameter.value.to_vec();
            let new = old
                .iter()
                .zip(&found.change)
                .map(|(old, change)| old + change);
            parameter.value = parameter.holding(new.collect());
        }
    }
    network
}

/// Recall of what a step taught, measured on the base with an update.
struct Tested<'a> {
    session: &'a Session<'a>,
    step: &'a ModelStep,
    base: &'a dyn Network,
}

impl Recall for Tested<'_> {
    fn recall(&mut self, update: &[Update]) -> f64 {
        let network = changed(self.base, update);
        let plan = self.session.plan;
        let (data, tokenizer) = (&plan.data[&self.step.on], plan.tokenizer.as_ref());
        if let Data::Facts { facts, context, .. } = data {
            return measure::recall(facts, *context, tokenizer, &*network);
        }
        let found = measure::knowledge(&self.step.on, data, tokenizer, &*network);
        let value = found.iter().find_map(|found| match found.unit {
            Unit::Nats => Some(found.value),
            Unit::Perplexity => Some(-found.value.ln()),
            _ => None,
        });
        value.unwrap_or(f64::NEG_INFINITY)
    }
}
