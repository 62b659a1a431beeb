//! Label smoothing — the labels themselves, softened, without a teacher's opinion.
//!
//! # What it does
//! Cross-entropy in which every label keeps `1 - smoothing` of the mass and the rest is spread over
//! all classes: the control that tells how much of a distillation gain is mere softening.
//!
//! # When to use it, when not
//! As a baseline beside any distillation of classifiers. It ignores the teacher.
//!
//! # How
//! `(1 - eps) (-log q(y)) + eps mean_c(-log q(c))`, mean over rows that count. The soft-target form
//! `-sum_c t_c log q_c` is the cross term of `kl`.
//!
//! # Where paper and code differ and which we follow
//! The uniform share includes the true class, as in the code.
//!
//! # Evidence
//! Parity with the timm loss as carried by m2mKD: `parity/kd-baselines`, kind `label_smoothing`.
//!
//! # Reference
//! Szegedy et al. Rethinking the Inception Architecture. 2015, arXiv 1512.00567.

use burn::tensor::{Tensor, activation::log_softmax};
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use serde::{Deserialize, Serialize};

use super::jsd::unit_interval;
use crate::{
    DistillMethod, Objective, Run, View,
    reference::{Rows, gradient, leaf, matrix, scalar},
};

/// Settings of `label-smoothing`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct LabelSmoothing {
    /// Share of the mass that is spread over all classes, from 0 to 1.
    #[arg(long, default_value_t = Self::default().smoothing)]
    pub smoothing: f32,
}

impl Default for LabelSmoothing {
    fn default() -> Self {
        Self { smoothing: 0.1 }
    }
}

impl DistillMethod for LabelSmoothing {
    const NAME: &'static str = "label-smoothing";
    const NEEDS: &'static [Need] = &[Need::FullLogits];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "label_smoothing",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        unit_interval("smoothing", self.smoothing)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(self.clone())
    }
}

impl Objective for LabelSmoothing {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let log_q = log_softmax(view.student.logits.clone().full(), 1);
        let rows = log_q.dims()[0];
        let ids = view.labels.clone().clamp_min(0).reshape([rows, 1]);
        let right = log_q.clone().gather(1, ids).reshape([rows]);
        let uniform = log_q.mean_dim(1).reshape([rows]);
        let per_row = right * (self.smoothing - 1.0) - uniform * self.smoothing;
        let weights = view.mask.clone().float();
        let kept = weights.clone().sum().clamp_min(1.0);
        (per_row * weights).sum() / kept
    }
}

/// `-sum_c t_c log q_c`, mean over rows; `[rows, classes]` each.
fn soft_target_cross_entropy(logits: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (target * log_softmax(logits, 1)).sum_dim(1).mean().neg()
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let smoothing = case.number("smoothing")? as f32;
    let logits = matrix(case.input("logits")?);
    let rows = Rows {
        student: logits.clone(),
        teacher: logits,
        labels: case.input("target")?.i64(),
        mask: vec![true; case.input("target")?.values.len()],
    };
    let (loss, smoothed) = rows.evaluate(&mut LabelSmoothing { smoothing });
    case.output("loss_ls", [loss]);
    case.output_f32("grad_ls", &smoothed);
    let student = leaf(&rows.student);
    let soft = soft_target_cross_entropy(student.clone(), matrix(case.input("soft_target")?));
    case.output("loss_soft", [scalar(soft.clone())]);
    case.output_f32("grad_soft", &gradient(&soft, &student));
    Ok(())
}
