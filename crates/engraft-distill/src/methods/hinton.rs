//! Hinton's distillation — softened class probabilities, scaled by the temperature squared.
//!
//! # What it does
//! Lets a classifier learn from a teacher's softened probabilities, which tell how classes resemble
//! each other, next to the labels.
//!
//! # When to use it, when not
//! The standard for classifiers; combine with labels (`label_weight: 0.1, teacher_weight: 0.9`). For language
//! models a temperature above 1 usually hurts: use `kl`.
//!
//! # How
//! `T^2 KL(softmax(z_t / T) || softmax(z_s / T))`, mean over rows. Gradient `T (q - p)` per row:
//! the factor keeps its size when T grows.
//!
//! # Where paper and code differ and which we follow
//! They agree. Some later code divides by rows times classes instead of rows and is weaker by the
//! number of classes; we divide by rows.
//!
//! # Evidence
//! Parity with mdistiller: `parity/kd-baselines`, kind `class_kd_dkd`. ResNet-56 into ResNet-20:
//! `docs/evidence.md`.
//!
//! # Reference
//! Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015, arXiv 1503.02531.

use std::sync::Arc;

use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_ops::{ForwardKl, Matching};
use serde::{Deserialize, Serialize};

use super::kl::positive_temperature;
use crate::{DistillMethod, Objective, Run, reference::Rows};

/// Settings of `hinton`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Hinton {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
}

impl Default for Hinton {
    fn default() -> Self {
        Self { temperature: 4.0 }
    }
}

impl Hinton {
    fn matching(&self) -> Matching {
        Matching {
            temperature: self.temperature,
            t_squared: true,
            ..Matching::new(Arc::new(ForwardKl))
        }
    }
}

impl DistillMethod for Hinton {
    const NAME: &'static str = "hinton";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "class_kd_dkd",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        positive_temperature(self.temperature)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(self.matching())
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let temperature = case.number("temperature")? as f32;
    let mut objective = Hinton { temperature }.matching();
    let (loss, gradient) = Rows::read(case)?.evaluate(&mut objective);
    case.output("kd_loss", [loss]);
    case.output_f32("grad_kd", &gradient);
    Ok(())
}
