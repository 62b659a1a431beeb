//! A run that is stopped and run again ends with the same numbers as one that is not.

mod support;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor};
use engraft_nets::{Batch, Network, Parameter, Role, Value};
use engraft_train::{
    CrossEntropy, Hook, Loss, Progress, RunFiles, Step, Terms, TrainConfig, TrainError, Trained,
    Trainer,
};
use support::{Largest, Linear, numbers};

/// Sets the stop flag once so many steps are done, and keeps what the user was told.
struct StopAfter<'a> {
    steps: usize,
    stop: &'a AtomicBool,
    told: Mutex<Vec<String>>,
}

impl Progress for StopAfter<'_> {
    fn begin(&self, _what: &str, _done: usize, _steps: usize) {}

    fn step(&self, done: usize, _loss: f64) {
        if done == self.steps {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn message(&self, text: &str) {
        self.told.lock().unwrap().push(text.to_owned());
    }

    fn end(&self) {}
}

/// A loss with a trained parameter and a state that feeds back into the loss.
struct Stateful {
    scale: Parameter,
    last: f64,
}

impl Stateful {
    fn new() -> Self {
        let one = Value::R1(Tensor::ones([1], &Device::flex()));
        Self {
            scale: Parameter::new("scale", Role::Weight, one),
            last: 0.1,
        }
    }
}

impl Loss for Stateful {
    fn loss(&mut self, network: &dyn Network, batch: &Batch, step: &Step) -> Terms {
        let mut terms = CrossEntropy.loss(network, batch, step);
        terms.total = terms.total * (1.0 + self.last) * self.scale.r1().exp();
        terms
    }

    fn observe(&mut self, loss: f64, _step: &Step) {
        self.last = 0.7 * self.last + 0.01 * loss;
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.scale]
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        vec![("last", self.last)]
    }

    fn state(&self) -> serde_json::Value {
        self.last.into()
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
        self.last = state.as_f64().ok_or("state is a number")?;
        Ok(())
    }
}

/// Shrinks gradients more with every step it has seen.
#[derive(Default)]
struct Tiring(u64);

impl Hook for Tiring {
    fn transform_gradient(&mut self, _: &Parameter, gradient: Value, _: &Step) -> Value {
        let factor = 1.0 / (1.0 + self.0 as f64);
        engraft_nets::map_rank!(gradient, t => t * factor)
    }

    fn after_step(&mut self, _network: &mut dyn Network, _step: &Step) {
        self.0 += 1;
    }

    fn state(&self) -> serde_json::Value {
        self.0.into()
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
        self.0 = state.as_u64().ok_or("state is a count")?;
        Ok(())
    }
}

fn config() -> TrainConfig {
    serde_json::from_str(
        r#"{"steps": 23, "lr": 0.05, "warmup": 3, "accumulate": 2, "log_every": 4, "clip": 0.2,
            "checkpoint_every": 5, "weight_decay": 0.1}"#,
    )
    .unwrap()
}

struct Outcome {
    result: Result<Trained, TrainError>,
    scale: Vec<f32>,
    told: Vec<String>,
}

fn run(config: &TrainConfig, files: &RunFiles, stop_after: usize) -> Outcome {
    let stop = AtomicBool::new(false);
    let progress = StopAfter {
        steps: stop_after,
        stop: &stop,
        told: Mutex::default(),
    };
    let mut loss = Stateful::new();
    let mut hooks: Vec<Box<dyn Hook>> = vec![Box::new(Tiring::default())];
    let source = Largest {
        rows: 16,
        micros: 2,
    };
    let trainer = Trainer::new("test", config, files, &progress, &stop);
    let result = trainer.run(Linear::boxed(1), &mut loss, &source, &mut hooks);
    Outcome {
        result,
        scale: loss.scale.value.to_vec(),
        told: progress.told.into_inner().unwrap(),
    }
}

const NEVER: usize = usize::MAX;

#[test]
fn a_stopped_run_continues_to_the_same_bits_weights_curve_and_loss() {
    for optimizer in ["adamw", "sgd"] {
        let mut config = config();
        config.optimizer = serde_json::from_value(optimizer.into()).unwrap();
        let whole = run(&config, &RunFiles::none(), NEVER);
        let whole_run = whole.result.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let files = RunFiles::in_folder(folder.path(), "data");
        for (sitting, stop_after) in [6, 7, 15].into_iter().enumerate() {
            let stopped = run(&config, &files, stop_after).result.err().unwrap();
            let TrainError::Stopped {
                step, checkpoint, ..
            } = stopped
            else {
                panic!("{stopped}");
            };
            assert_eq!(
                (step, checkpoint),
                (stop_after, files.checkpoint.clone()),
                "{sitting}"
            );
        }
        let last = run(&config, &files, NEVER);
        let last_run = last.result.unwrap();

        assert_eq!(last_run.resumed_from, 15);
        assert_eq!(numbers(&*last_run.network), numbers(&*whole_run.network));
        assert_eq!(last.scale, whole.scale);
        assert_eq!(last_run.tokens, whole_run.tokens);
        let timeless = |trained: &Trained| {
            let points = trained.curve.points.iter();
            points.map(|point| point.timeless()).collect::<Vec<_>>()
        };
        assert_eq!(timeless(&last_run), timeless(&whole_run));
        let lines = fs::read_to_string(files.metrics.unwrap()).unwrap();
        assert_eq!(lines.lines().count(), whole_run.curve.points.len());
    }
}

#[test]
fn a_run_killed_between_checkpoints_repeats_the_lost_steps_to_the_same_end() {
    let whole = run(&config(), &RunFiles::none(), NEVER).result.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = RunFiles::in_folder(folder.path(), "data");
    let path = files.checkpoint.clone().unwrap();
    let stopped = run(&config(), &files, 10).result;
    assert!(stopped.is_err());
    let at_ten = fs::read(&path).unwrap();
    assert!(run(&config(), &files, 13).result.is_err());
    fs::write(&path, at_ten).unwrap();
    let last = run(&config(), &files, NEVER).result.unwrap();
    assert_eq!(last.resumed_from, 10);
    assert_eq!(numbers(&*last.network), numbers(&*whole.network));
}

#[test]
fn a_checkpoint_of_other_settings_or_data_is_left_aside_with_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let files = RunFiles::in_folder(folder.path(), "data");
    assert!(run(&config(), &files, 6).result.is_err());
    let other_data = RunFiles {
        key: "other data".to_owned(),
        ..files.clone()
    };
    let other_rate = TrainConfig {
        lr: 0.06,
        ..config()
    };
    for (config, files) in [(config(), other_data), (other_rate, files)] {
        let outcome = run(&config, &files, NEVER);
        assert_eq!(outcome.result.unwrap().resumed_from, 0);
        assert!(
            outcome.told[0].contains("checkpoint.safetensors"),
            "{:?}",
            outcome.told
        );
        assert!(
            outcome.told[0].contains("starting anew"),
            "{:?}",
            outcome.told
        );
    }
}

#[test]
fn how_often_a_run_saves_does_not_make_it_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let files = RunFiles::in_folder(folder.path(), "data");
    assert!(run(&config(), &files, 6).result.is_err());
    let rarer = TrainConfig {
        checkpoint_every: 11,
        ..config()
    };
    assert_eq!(run(&rarer, &files, NEVER).result.unwrap().resumed_from, 6);
    files.remove_checkpoint().unwrap();
    files.remove_checkpoint().unwrap();
    assert!(!files.checkpoint.unwrap().exists());
}

#[test]
fn a_truncated_checkpoint_is_an_error_that_names_the_file_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let files = RunFiles::in_folder(folder.path(), "data");
    assert!(run(&config(), &files, 6).result.is_err());
    let path = files.checkpoint.clone().unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let error = run(&config(), &files, NEVER)
        .result
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("checkpoint.safetensors"), "{error}");
    assert!(error.contains("delete the file"), "{error}");
}
