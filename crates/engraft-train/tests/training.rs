//! What the loop promises about a run from start to end.

mod support;

use std::sync::atomic::AtomicBool;

use burn::tensor::Tensor;
use engraft_nets::{Batch, Network, Parameter, Role, Value, each_rank, map_rank};
use engraft_train::{
    BatchSource, CrossEntropy, Hook, Loss, RunFiles, Step, Terms, TrainConfig, TrainError, Trained,
    Trainer, cross_entropy::held_out_loss, progress::Quiet,
};
use support::{Largest, Linear, numbers};

fn config() -> TrainConfig {
    TrainConfig {
        steps: 30,
        lr: 0.05,
        warmup: 3,
        ..TrainConfig::default()
    }
}

const WHOLE: Largest = Largest {
    rows: 16,
    micros: 1,
};

fn train_with(
    config: &TrainConfig,
    source: &dyn BatchSource,
    loss: &mut dyn Loss,
    hooks: &mut [Box<dyn Hook>],
) -> Result<Trained, TrainError> {
    let (files, stop) = (RunFiles::none(), AtomicBool::new(false));
    Trainer::new("test", config, &files, &Quiet, &stop).run(Linear::boxed(1), loss, source, hooks)
}

fn train(config: &TrainConfig) -> Trained {
    train_with(config, &WHOLE, &mut CrossEntropy, &mut []).unwrap()
}

#[test]
fn training_lowers_the_loss_on_data_it_has_not_seen() {
    let fresh = held_out_loss(
        &*Linear::boxed(1),
        &Largest {
            rows: 300,
            micros: 3,
        },
        4,
    );
    let trained = train(&TrainConfig {
        steps: 150,
        ..config()
    });
    let after = held_out_loss(
        &*trained.network,
        &Largest {
            rows: 300,
            micros: 3,
        },
        4,
    );
    assert!(after < 0.5 * fresh, "{fresh} -> {after}");
    let first = &trained.curve.points[0];
    let last = trained.curve.points.last().unwrap();
    assert!(last.loss < first.loss);
    assert_eq!((last.step, last.tokens), (150, 150 * 16));
}

#[test]
fn the_trained_network_is_plain_and_the_given_one_is_untouched() {
    let given = Linear::boxed(1);
    let before = numbers(&*given);
    let trained = train(&config());
    assert_eq!(numbers(&*given), before);
    for parameter in trained.network.parameters() {
        assert!(!parameter.device().is_autodiff(), "{}", parameter.name);
    }
}

#[test]
fn two_micro_batches_train_like_one_batch_of_both() {
    let whole = train(&config());
    let halves = TrainConfig {
        accumulate: 2,
        ..config()
    };
    let source = Largest {
        rows: 16,
        micros: 2,
    };
    let halves = train_with(&halves, &source, &mut CrossEntropy, &mut []).unwrap();
    let (whole, halves) = (numbers(&*whole.network), numbers(&*halves.network));
    for (a, b) in whole[..2].concat().iter().zip(halves[..2].concat()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn statistics_follow_training_and_are_never_updated_by_the_optimiser() {
    let trained = train(&TrainConfig {
        lr: 0.0,
        ..config()
    });
    let (before, after) = (numbers(&*Linear::boxed(1)), numbers(&*trained.network));
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
}

#[test]
fn frozen_and_slower_groups_do_what_they_say() {
    let start = numbers(&*Linear::boxed(1));
    let with = |group: &str| {
        let groups = vec![serde_json::from_str(group).unwrap()];
        let trained = train(&TrainConfig {
            steps: 1,
            warmup: 0,
            weight_decay: 0.0,
            groups,
            ..config()
        });
        assert!(
            trained.network.parameters()[0].trainable,
            "the flag is given back"
        );
        numbers(&*trained.network)
    };
    let frozen = with(r#"{"pattern": "wei*", "freeze": true}"#);
    assert_eq!(frozen[0], start[0]);
    assert_ne!(frozen[1], start[1]);
    let (usual, slow) = (
        with(r#"{"pattern": "weight", "lr_scale": 1}"#),
        with(r#"{"pattern": "weight", "lr_scale": 0.5}"#),
    );
    for ((usual, slow), start) in usual[0].iter().zip(&slow[0]).zip(&start[0]) {
        assert!(((usual - start) - 2.0 * (slow - start)).abs() < 1e-5);
    }
}

#[test]
fn a_pattern_that_fits_nothing_and_a_network_without_anything_to_train_are_refused() {
    let run = |group: &str| {
        let groups = vec![serde_json::from_str(group).unwrap()];
        let config = TrainConfig { groups, ..config() };
        train_with(&config, &WHOLE, &mut CrossEntropy, &mut [])
            .err()
            .unwrap()
            .to_string()
    };
    assert!(run(r#"{"pattern": "wieght"}"#).contains("`wieght` fits no parameter"));
    assert!(run(r#"{"pattern": "*", "freeze": true}"#).contains("unfreeze"));
}

#[test]
fn weights_of_another_number_format_are_refused_by_name() {
    let mut network = Linear::boxed(1);
    let bias = network.parameters_mut().remove(1);
    bias.value = map_rank!(bias.value.clone(), t => t.cast(burn::tensor::DType::F16));
    let (config, files, stop) = (config(), RunFiles::none(), AtomicBool::new(false));
    let trainer = Trainer::new("test", &config, &files, &Quiet, &stop);
    let error = trainer
        .run(network, &mut CrossEntropy, &WHOLE, &mut [])
        .err();
    let message = error.unwrap().to_string();
    assert!(message.contains("`bias` is F16"), "{message}");
}

#[test]
fn held_out_batches_are_measured_when_they_are_due() {
    let config = TrainConfig {
        eval_every: 12,
        eval_batches: 2,
        ..config()
    };
    let (files, stop) = (RunFiles::none(), AtomicBool::new(false));
    let trainer = Trainer {
        held_out: Some(&WHOLE),
        ..Trainer::new("test", &config, &files, &Quiet, &stop)
    };
    let trained = trainer.run(Linear::boxed(1), &mut CrossEntropy, &WHOLE, &mut []);
    let measured = trained.unwrap().curve.series("held_out");
    let steps: Vec<f64> = measured.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [12.0, 24.0]);
    assert!(measured[1].1 < measured[0].1);
}

#[test]
fn sgd_with_a_clip_moves_no_further_than_rate_times_clip() {
    let config: TrainConfig = serde_json::from_str(
        r#"{"steps": 1, "warmup": 0, "optimizer": "sgd", "lr": 2.0, "clip": 1e-3, "momentum": 0, "weight_decay": 0}"#,
    )
    .unwrap();
    let trained = train(&config);
    let (before, after) = (numbers(&*Linear::boxed(1)), numbers(&*trained.network));
    let pairs = before[..2]
        .iter()
        .flatten()
        .zip(after[..2].iter().flatten());
    let moved = pairs
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!((moved - 2e-3).abs() < 1e-6, "{moved}");
    assert!(trained.curve.points[0].gradient_norm > 1e-3);
}

/// Turns into NaN at one step.
struct BreaksAt(usize);

impl Loss for BreaksAt {
    fn loss(&mut self, network: &dyn Network, batch: &Batch, step: &Step) -> Terms {
        let mut terms = CrossEntropy.loss(network, batch, step);
        if step.index == self.0 {
            terms.total = terms.total * f64::NAN;
        }
        terms
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_at_its_step() {
    let error = train_with(&config(), &WHOLE, &mut BreaksAt(7), &mut []);
    let error = error.err().unwrap();
    assert!(
        matches!(error, TrainError::LossNotFinite { step: 7, .. }),
        "{error}"
    );
}

/// Masks the gradient of the bias and pulls the weight to zero.
struct MaskAndPull;

impl Hook for MaskAndPull {
    fn extra_loss(&mut self, network: &dyn Network, _step: &Step) -> Option<Tensor<1>> {
        let weight = network.parameters()[0].r2();
        Some((weight.clone() * weight).sum() * 100.0)
    }

    fn transform_gradient(&mut self, parameter: &Parameter, gradient: Value, _: &Step) -> Value {
        match parameter.name.as_str() {
            "bias" => map_rank!(gradient, t => t.zeros_like()),
            _ => gradient,
        }
    }

    fn after_step(&mut self, network: &mut dyn Network, _step: &Step) {
        for parameter in network.parameters_mut() {
            each_rank!(&parameter.value, t => assert!(!t.is_autodiff()));
        }
    }
}

#[test]
fn hooks_add_to_the_loss_and_change_gradients() {
    let mut hooks: Vec<Box<dyn Hook>> = vec![Box::new(MaskAndPull)];
    let trained = train_with(&config(), &WHOLE, &mut CrossEntropy, &mut hooks).unwrap();
    let after = numbers(&*trained.network);
    assert!(after[1].iter().all(|&bias| bias == 0.0));
    let size = |numbers: &[f32]| numbers.iter().map(|x| x * x).sum::<f32>();
    assert!(size(&after[0]) < 0.2 * size(&numbers(&*train(&config()).network)[0]));
    assert!(trained.curve.names().contains(&"penalty".to_owned()));
}

/// Cross-entropy of `logits * scale` with a scale that is trained along.
struct LearnedScale(Parameter);

impl Loss for LearnedScale {
    fn loss(&mut self, network: &dyn Network, batch: &Batch, step: &Step) -> Terms {
        let terms = CrossEntropy.loss(network, batch, step);
        let distance = self.0.r1() - 2.0;
        Terms {
            total: terms.total.clone() + distance.clone() * distance,
            parts: vec![("labels", terms.total)],
            ..terms
        }
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.0]
    }
}

#[test]
fn parameters_of_the_loss_are_trained_along() {
    let zero = Tensor::zeros([1], &burn::tensor::Device::flex());
    let mut loss = LearnedScale(Parameter::new("weight", Role::Bias, Value::R1(zero)));
    let config = TrainConfig {
        steps: 200,
        ..config()
    };
    let trained = train_with(&config, &WHOLE, &mut loss, &mut []).unwrap();
    let learned = loss.0.value.to_vec()[0];
    assert!((learned - 2.0).abs() < 0.1, "{learned}");
    assert!(!loss.0.device().is_autodiff());
    let labels = trained.curve.series("labels");
    assert!(labels.last().unwrap().1 < labels[0].1);
}

#[test]
fn bf16_trains_and_keeps_the_weights_in_f32() {
    let source = Largest {
        rows: 300,
        micros: 3,
    };
    let fresh = held_out_loss(&*Linear::boxed(1), &source, 4);
    let trained = train(&TrainConfig {
        steps: 150,
        precision: engraft_train::Precision::Bf16,
        ..config()
    });
    let after = held_out_loss(&*trained.network, &source, 4);
    assert!(after < 0.6 * fresh, "{fresh} -> {after}");
    for parameter in trained.network.parameters() {
        let dtype = each_rank!(&parameter.value, t => t.dtype());
        assert_eq!(dtype, burn::tensor::DType::F32, "{}", parameter.name);
    }
}
