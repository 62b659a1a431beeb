//! One sitting of a training run: from the start or a checkpoint to the end or a stop.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use burn::tensor::{DType, Tensor};
use engraft_nets::{Network, Parameter, Value, each_rank, map_rank};

use crate::{
    BatchSource, Curve, Hook, Loss, Point, Step, TrainError, Trainer,
    checkpoint::{self, Checkpoint, Found},
    cross_entropy,
    gradients::Gradients,
    metrics::Metrics,
    optimizer::ParameterOptimizer,
    terms::TermLog,
};

/// What decides a step besides the network and the settings.
pub(crate) struct Lesson<'r> {
    pub loss: &'r mut dyn Loss,
    pub source: &'r dyn BatchSource,
    pub hooks: &'r mut [Box<dyn Hook>],
}

/// Parameters of the loss are kept beside the network's under this prefix.
pub(crate) const LOSS_PREFIX: &str = "loss.";

pub(crate) struct Session<'a> {
    pub trainer: Trainer<'a>,
    /// Plain; a tracked copy of it lives during each forward and backward.
    pub network: Box<dyn Network>,
    pub optimizer: ParameterOptimizer,
    pub fingerprint: String,
    pub curve: Curve,
    /// Losses since the last point of the curve: their sum and number.
    pub pending: (f64, usize),
    /// Optimiser steps done.
    pub done: usize,
    pub tokens: u64,
    /// Of the sittings before this one.
    pub earlier_seconds: f64,
    started: Instant,
    metrics: Option<Metrics>,
    /// Stands where a value was while the optimiser owns it.
    vacant: Value,
}

impl<'a> Session<'a> {
    /// Checks the settings and takes up a checkpoint of this very run, if there is one.
    pub fn start(
        trainer: Trainer<'a>,
        network: Box<dyn Network>,
        lesson: &mut Lesson,
    ) -> Result<Self, TrainError> {
        let config = trainer.config;
        config.validate()?;
        config.validate_groups(&*network)?;
        let device = cross_entropy::device(&*network);
        config.validate_device(&device)?;
        let mut network = network.detached();
        for parameter in network.parameters_mut() {
            let dtype = each_rank!(&parameter.value, t => t.dtype());
            if dtype != DType::F32 {
                let problem = format!(
                    "`{}` is {dtype:?}, but training needs f32 weights; convert them first",
                    parameter.name
                );
                return Err(TrainError::setting("precision", problem));
            }
            parameter.trainable &= !config.treatment(&parameter.name, parameter.role).freeze;
        }
        for hook in lesson.hooks.iter_mut() {
            hook.before_task(&*network, trainer.task);
        }
        let mut session = Self {
            trainer,
            network,
            optimizer: ParameterOptimizer::new(config),
            fingerprint: String::new(),
            curve: Curve::default(),
            pending: (0.0, 0),
            done: 0,
            tokens: 0,
            earlier_seconds: 0.0,
            started: Instant::now(),
            metrics: None,
            vacant: Value::R1(Tensor::zeros([1], &device)),
        };
        let fingerprint = {
            let parameters = session.parameters_mut(lesson.loss);
            let parameters = parameters.into_iter().map(|(name, p)| (name, &*p));
            checkpoint::fingerprint(config, &trainer.files.key, parameters)
        };
        session.fingerprint = fingerprint;
        session.resume(lesson)?;
        session.metrics = Some(Metrics::open(trainer.files, &session.curve)?);
        Ok(session)
    }

    fn resume(&mut self, lesson: &mut Lesson) -> Result<(), TrainError> {
        let Some(path) = &self.trainer.files.checkpoint else {
            return Ok(());
        };
        match Checkpoint::read(path, &self.fingerprint)? {
            Found::Nothing => {}
            Found::Other => self.trainer.progress.message(&format!(
                "{}: left by a run with other settings, weights or data; starting anew",
                path.display()
            )),
            Found::Mine(checkpoint) => {
                self.restore(*checkpoint, lesson)
                    .map_err(|problem| TrainError::checkpoint(path, problem))?;
                let message = format!("{}: continuing from step {}", path.display(), self.done);
                self.trainer.progress.message(&message);
            }
        }
        Ok(())
    }

    /// All steps that are left, with a checkpoint wherever one is due.
    pub fn run(&mut self, lesson: &mut Lesson) -> Result<(), TrainError> {
        let config = self.trainer.config;
        let checkpoint = self.trainer.files.checkpoint.as_deref();
        while self.done < config.steps {
            if self.trainer.stop.load(Ordering::Relaxed) {
                if let Some(path) = checkpoint {
                    self.snapshot(lesson).write(path)?;
                }
                return Err(TrainError::Stopped {
                    step: self.done,
                    total: config.steps,
                    checkpoint: self.trainer.files.checkpoint.clone(),
                });
            }
            let loss = self.step(lesson)?;
            self.trainer.progress.step(self.done, loss);
            if let Some(path) = checkpoint
                && every(config.checkpoint_every, self.done)
                && self.done < config.steps
            {
                self.snapshot(lesson).write(path)?;
            }
        }
        if let Some(path) = checkpoint.filter(|_| self.trainer.files.keep_end) {
            self.snapshot(lesson).write(path)?;
        }
        Ok(())
    }

    /// One optimiser step; returns its loss.
    fn step(&mut self, lesson: &mut Lesson) -> Result<f64, TrainError> {
        let config = self.trainer.config;
        let at = Step {
            index: self.done,
            total: config.steps,
            task: self.trainer.task,
        };
        let done = self.done + 1;
        let measured = every(config.eval_every, done) && self.trainer.held_out.is_some();
        let point_due = measured || every(config.log_every, done) || done == config.steps;
        let mut log = TermLog::new(point_due);
        let mut gradients = Gradients::default();
        for micro in 0..config.accumulate {
            self.micro_batch(lesson, &at, micro, &mut gradients, &mut log)?;
        }
        let loss = log.mean_loss();
        if gradients.is_empty() {
            return Err(TrainError::NothingToTrain { step: at.index });
        }
        transform(&mut gradients, &*self.network, lesson.hooks, &at);
        let norm = self.clip(&mut gradients, point_due, &at, loss)?;
        self.update(gradients, lesson.loss);
        for hook in lesson.hooks.iter_mut() {
            hook.after_step(&mut *self.network, &at);
        }
        lesson.loss.observe(loss, &at);
        self.done = done;
        self.pending = (self.pending.0 + loss, self.pending.1 + 1);
        if point_due {
            self.point(norm, measured, log.parts(lesson.loss))?;
        }
        Ok(loss)
    }

    /// Forward and backward of one micro-batch. When it returns nothing of its graph is left, so
    /// the plain network is the only owner of its memory again.
    fn micro_batch(
        &mut self,
        lesson: &mut Lesson,
        at: &Step,
        micro: usize,
        gradients: &mut Gradients,
        log: &mut TermLog,
    ) -> Result<(), TrainError> {
        let batch = lesson.source.batch(at.index, micro);
        self.tokens += batch.labels.len() as u64;
        let mut tracked = self
            .network
            .tracked_in(self.trainer.config.precision.dtype());
        tracked.recomputes(self.trainer.config.recompute);
        for parameter in lesson.loss.parameters_mut() {
            parameter.value = track(parameter);
        }
        let terms = lesson.loss.loss(&*tracked, &batch, at);
        let value = log.add(&terms);
        if !value.is_finite() {
            let step = at.index;
            return Err(TrainError::LossNotFinite { step, value });
        }
        let mut objective = terms.total;
        if self.trainer.config.accumulate > 1 {
            objective = objective / self.trainer.config.accumulate as f64;
        }
        if micro == 0 {
            for hook in lesson.hooks.iter_mut() {
                if let Some(penalty) = hook.extra_loss(&*tracked, at) {
                    log.add_penalty(&penalty);
                    objective = objective + penalty;
                }
            }
        }
        if objective.is_tracked() {
            let mut backward = objective.backward();
            gradients.collect("", tracked.parameters(), &mut backward);
            let own = lesson.loss.parameters_mut();
            let own = own.iter().map(|parameter| &**parameter);
            gradients.collect(LOSS_PREFIX, own, &mut backward);
        }
        for parameter in lesson.loss.parameters_mut() {
            parameter.value = map_rank!(parameter.value.clone(), t => t.inner());
        }
        for (name, value) in terms.statistics {
            let mut parameters = self.network.parameters_mut().into_iter();
            if let Some(parameter) = parameters.find(|parameter| parameter.name == name) {
                parameter.value = map_rank!(value, t => t.inner().cast(DType::F32));
            }
        }
        Ok(())
    }

    /// Brings the gradient's norm to at most `clip`; returns the norm before, or 0 where nobody
    /// asked for it.
    fn clip(
        &self,
        gradients: &mut Gradients,
        wanted: bool,
        at: &Step,
        loss: f64,
    ) -> Result<f64, TrainError> {
        let clip = self.trainer.config.clip;
        if clip == 0.0 && !wanted {
            return Ok(0.0);
        }
        let norm = gradients.norm();
        if !norm.is_finite() {
            let parameter = gradients.first_not_finite().unwrap_or("all parameters");
            return Err(TrainError::GradientNotFinite {
                step: at.index,
                parameter: parameter.to_owned(),
                loss,
            });
        }
        if clip > 0.0 && norm > clip {
            gradients.scale(clip / norm);
        }
        Ok(norm)
    }

    fn update(&mut self, mut gradients: Gradients, loss: &mut dyn Loss) {
        let config = self.trainer.config;
        let lr = config.learning_rate(self.done);
        let parameters = self.network.parameters_mut();
        for (name, parameter) in with_loss(parameters, loss) {
            if let Some(gradient) = gradients.take(&name) {
                let treatment = config.treatment(&name, parameter.role);
                // Taken out, not cloned: the optimiser updates memory that it alone owns in place.
                let value = std::mem::replace(&mut parameter.value, self.vacant.clone());
                parameter.value = self.optimizer.step(&name, &treatment, lr, value, gradient);
            }
        }
    }

    /// Closes a point of the curve.
    fn point(
        &mut self,
        gradient_norm: f64,
        measured: bool,
        parts: BTreeMap<String, f64>,
    ) -> Result<(), TrainError> {
        let config = self.trainer.config;
        let held_out = self.trainer.held_out.filter(|_| measured).map(|source| {
            cross_entropy::held_out_loss(&*self.network, source, config.eval_batches)
        });
        let point = Point {
            step: self.done,
            loss: self.pending.0 / self.pending.1 as f64,
            lr: config.learning_rate(self.done - 1),
            gradient_norm,
            tokens: self.tokens,
            seconds: self.seconds(),
            held_out: held_out.filter(|value| value.is_finite()),
            parts,
        };
        self.pending = (0.0, 0);
        if let Some(metrics) = &mut self.metrics {
            metrics.write(&point)?;
        }
        self.curve.points.push(point);
        Ok(())
    }

    /// Time of all sittings so far, in seconds.
    pub fn seconds(&self) -> f64 {
        self.earlier_seconds + self.started.elapsed().as_secs_f64()
    }

    /// The network's parameters and the loss's own, by the name each is kept under.
    pub fn parameters_mut<'p>(
        &'p mut self,
        loss: &'p mut dyn Loss,
    ) -> Vec<(String, &'p mut Parameter)> {
        with_loss(self.network.parameters_mut(), loss)
    }
}

fn with_loss<'p>(
    network: Vec<&'p mut Parameter>,
    loss: &'p mut dyn Loss,
) -> Vec<(String, &'p mut Parameter)> {
    let network = network.into_iter().map(|p| (p.name.clone(), p));
    let own = loss.parameters_mut().into_iter();
    let own = own.map(|p| (format!("{LOSS_PREFIX}{}", p.name), p));
    network.chain(own).collect()
}

/// Whether something that happens every `period` steps (0: never) is due after `done` steps.
fn every(period: usize, done: usize) -> bool {
    period > 0 && done.is_multiple_of(period)
}

fn track(parameter: &Parameter) -> Value {
    let trainable = parameter.trainable;
    map_rank!(parameter.value.clone(), t => t.inner().autodiff().set_require_grad(trainable))
}

fn transform(
    gradients: &mut Gradients,
    network: &dyn Network,
    hooks: &mut [Box<dyn Hook>],
    at: &Step,
) {
    if hooks.is_empty() {
        return;
    }
    for parameter in network.parameters() {
        if let Some(mut gradient) = gradients.take(&parameter.name) {
            for hook in hooks.iter_mut() {
                gradient = hook.transform_gradient(parameter, gradient, at);
            }
            gradients.put(&parameter.name, gradient);
        }
    }
}
