//! The one training loop, as its callers see it.

use std::sync::atomic::AtomicBool;

use engraft_nets::Network;

use crate::{
    BatchSource, Curve, Hook, Loss, Progress, RunFiles, TrainConfig, TrainError,
    memory::{forget_peak_rss, peak_rss},
    session::{Lesson, Session},
};

/// The settings of a run, and everything around it that does not decide its numbers.
#[derive(Clone, Copy)]
pub struct Trainer<'a> {
    pub config: &'a TrainConfig,
    pub files: &'a RunFiles,
    pub progress: &'a dyn Progress,
    /// Set it (from a signal handler) to stop at the next step, after a checkpoint.
    pub stop: &'a AtomicBool,
    /// What the run is called on the screen.
    pub name: &'a str,
    /// Number of the task in a sequence of tasks, for hooks.
    pub task: usize,
    /// Batches to measure on every `eval_every` steps.
    pub held_out: Option<&'a dyn BatchSource>,
}

/// A finished run.
pub struct Trained {
    /// Plain, ready to measure, save or train further.
    pub network: Box<dyn Network>,
    pub curve: Curve,
    /// Time spent training in seconds, over all sessions of a resumed run.
    pub seconds: f64,
    /// Positions (or images) trained on, padding included.
    pub tokens: u64,
    /// Largest memory of the process during this session in bytes, where the system tells.
    pub peak_rss: Option<u64>,
    /// Step of the checkpoint this session continued from; 0 for a fresh run.
    pub resumed_from: usize,
}

impl<'a> Trainer<'a> {
    /// A single task named `name` without held-out batches.
    pub fn new(
        name: &'a str,
        config: &'a TrainConfig,
        files: &'a RunFiles,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Self {
        Self {
            config,
            files,
            progress,
            stop,
            name,
            task: 0,
            held_out: None,
        }
    }

    /// Trains `network` on `source` and returns it; continues a checkpoint of the same run.
    ///
    /// A run that is stopped and run again ends with the same numbers as one that is not. Both
    /// times it must be given the network, loss and hooks that it started from.
    ///
    /// # Errors
    /// Settings that cannot train, a loss or gradient that is not finite (named with its step),
    /// files that cannot be read or written, and [`TrainError::Stopped`] when `stop` was set.
    pub fn run(
        &self,
        network: Box<dyn Network>,
        loss: &mut dyn Loss,
        source: &dyn BatchSource,
        hooks: &mut [Box<dyn Hook>],
    ) -> Result<Trained, TrainError> {
        forget_peak_rss();
        let trainable: Vec<bool> = network.parameters().iter().map(|p| p.trainable).collect();
        let mut lesson = Lesson {
            loss,
            source,
            hooks,
        };
        let mut session = Session::start(*self, network, &mut lesson)?;
        let resumed_from = session.done;
        self.progress
            .begin(self.name, session.done, self.config.steps);
        let finished = session.run(&mut lesson);
        self.progress.end();
        finished?;
        for hook in lesson.hooks {
            hook.after_task(&*session.network, self.task);
        }
        let mut trained = Trained {
            seconds: session.seconds(),
            network: session.network,
            curve: session.curve,
            tokens: session.tokens,
            peak_rss: peak_rss(),
            resumed_from,
        };
        let parameters = trained.network.parameters_mut().into_iter();
        for (parameter, trainable) in parameters.zip(trainable) {
            parameter.trainable = trainable;
        }
        Ok(trained)
    }
}
