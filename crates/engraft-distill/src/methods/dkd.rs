//! DKD — decoupled distillation of the target class and of all others.
//!
//! # What it does
//! Splits the distillation loss into "how sure is the teacher of the right class" and "how does it
//! rank the wrong ones", and weighs the second up, where most of the knowledge lies.
//!
//! # When to use it, when not
//! For classifiers with labels and at least three classes; `beta` 2 to 8 for a confident teacher.
//! Not for two classes, where the second part is empty.
//!
//! # How
//! `alpha T^2 KL(b_t || b_s) + beta T^2 KL(p^ || q^)`, with `b = [p(y), 1 - p(y)]` and `p^`, `q^` the
//! softmax without class y (its logit lowered by 1000); mean over rows, ramped in over `warmup` of
//! the run. Added to the cross-entropy with weight 1 (`label_weight: 1, teacher_weight: 1`).
//!
//! # Where paper and code differ and which we follow
//! The official code takes logs of raw sums; `b` is clamped at 1e-12 here. The token form divides by
//! all positions, masked ones included; so do we, as the reference does. The warm-up counts epochs
//! there (20 of 240) and a share of the steps here.
//!
//! # Evidence
//! Parity with mdistiller and the TAID repository's token form: `parity/kd-baselines`, kinds
//! `class_kd_dkd` and `token_dkd_ctkd`.
//!
//! # Reference
//! Zhao, Cui, Song, Qiu, Liang. Decoupled Knowledge Distillation. CVPR 2022, arXiv 2203.08679.

use burn::tensor::{
    Tensor,
    activation::{log_softmax, softmax},
};
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use serde::{Deserialize, Serialize};

use super::kl::positive_temperature;
use crate::{DistillMethod, Objective, Run, View, reference::Rows};

/// Settings of `dkd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Dkd {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Weight of the target-class part.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    /// Weight of the other classes.
    #[arg(long, default_value_t = Self::default().beta)]
    pub beta: f32,
    /// Share of the run over which the loss is ramped in, from 0 to 1.
    #[arg(long, default_value_t = Self::default().warmup)]
    pub warmup: f32,
}

impl Default for Dkd {
    fn default() -> Self {
        Self {
            temperature: 4.0,
            alpha: 1.0,
            beta: 8.0,
            warmup: 20.0 / 240.0,
        }
    }
}

impl DistillMethod for Dkd {
    const NAME: &'static str = "dkd";
    const NEEDS: &'static [Need] = &[
        Need::FullLogits,
        Need::SameVocabulary,
        Need::ClassLabels,
        Need::ThreeClasses,
    ];
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "kd-baselines",
            kind: "class_kd_dkd",
            run: class_parity,
        },
        Check {
            slug: "kd-baselines",
            kind: "token_dkd_ctkd",
            run: token_parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        super::jsd::unit_interval("warmup", self.warmup)?;
        positive_temperature(self.temperature)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(self.clone())
    }
}

impl Objective for Dkd {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let temperature = self.temperature;
        let student = view.student.logits.clone().full() / temperature;
        let teacher = view.teacher.logits.clone().full() / temperature;
        let [rows, classes] = student.dims();
        // Rows that do not count may carry -100; any class does for them.
        let ids = view.labels.clone().clamp_min(0).reshape([rows, 1]);
        let target = Tensor::<2>::zeros([rows, classes], &teacher.device()).scatter(
            1,
            ids,
            Tensor::ones([rows, 1], &teacher.device()),
            burn::tensor::IndexingUpdateOp::Add,
        );
        let pair = |probabilities: Tensor<2>| {
            let right = (probabilities.clone() * target.clone()).sum_dim(1);
            let wrong = (probabilities * (target.clone().neg() + 1.0)).sum_dim(1);
            (right.clamp_min(1e-12), wrong.clamp_min(1e-12))
        };
        let (student_right, student_wrong) = pair(softmax(student.clone(), 1));
        let (teacher_right, teacher_wrong) = pair(softmax(teacher.clone(), 1));
        let target_part = teacher_right.clone() * (teacher_right.log() - student_right.log())
            + teacher_wrong.clone() * (teacher_wrong.log() - student_wrong.log());
        let lowered = target * 1000.0;
        let log_q = log_softmax(student - lowered.clone(), 1);
        let log_p = log_softmax(teacher - lowered, 1);
        let other_part = (log_p.clone().exp() * (log_p - log_q)).sum_dim(1);
        let per_row = target_part * self.alpha + other_part * self.beta;
        let kept = view.mask.clone().float().reshape([rows, 1]);
        let ramp = if self.warmup == 0.0 {
            1.0
        } else {
            let done = (view.step.index + 1) as f32 / view.step.total.max(1) as f32;
            (done / self.warmup).min(1.0)
        };
        (per_row * kept).sum() * (ramp * temperature * temperature / rows as f32)
    }
}

fn settings(case: &Case) -> Result<Dkd, ParityError> {
    Ok(Dkd {
        temperature: case.number("temperature")? as f32,
        alpha: case.number("alpha")? as f32,
        beta: case.number("beta")? as f32,
        warmup: 0.0,
    })
}

fn class_parity(case: &mut Case) -> Result<(), ParityError> {
    let both = settings(case)?;
    let rows = Rows::read(case)?;
    let (loss, gradient) = rows.evaluate(&mut both.clone());
    case.output("dkd_loss", [loss]);
    case.output_f32("grad_dkd", &gradient);
    for (name, alpha, beta) in [("tckd", 1.0, 0.0), ("nckd", 0.0, 1.0)] {
        let mut part = Dkd {
            alpha,
            beta,
            ..both.clone()
        };
        case.output(name, [rows.evaluate(&mut part).0]);
    }
    Ok(())
}

fn token_parity(case: &mut Case) -> Result<(), ParityError> {
    let (loss, gradient) = Rows::read(case)?.evaluate(&mut settings(case)?);
    case.output("dkd_loss", [loss]);
    case.output_f32("grad_dkd", &gradient);
    Ok(())
}
