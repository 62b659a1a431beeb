//! Generalised Jensen-Shannon divergence — between forward and reverse KL.
//!
//! # What it does
//! Measures student and teacher against their mixture; `beta` moves from forward KL (0) over
//! Jensen-Shannon (0.5) to reverse KL (1). Bounded, so single positions cannot dominate.
//!
//! # When to use it, when not
//! The default of on-policy distillation (GKD). With `beta` near 0 or 1 its gradient is small:
//! scale the rate, or use `kl` and `reverse-kl` themselves.
//!
//! # How
//! `m = beta p + (1 - beta) q`; `beta KL(p || m) + (1 - beta) KL(q || m)`; `beta` 0 is defined as
//! `KL(p || q)`, 1 as `KL(q || p)`. Mean over labelled positions, no `T^2`.
//!
//! # Where paper and code differ and which we follow
//! Names differ: GKD's `beta` weighs the teacher in the mixture, DistiLLM's lambda the student; its
//! `js` is ours with `beta = 1 - lambda`. Early code mixed log-probabilities; the mixture here is of
//! probabilities.
//!
//! # Evidence
//! Parity with TRL's GKD loss (kind `token_gjs`) and DistiLLM's JS (kind `token_divergences`) in
//! `parity/kd-baselines`. Comparison on the quickstart: `docs/evidence.md`.
//!
//! # Reference
//! Agarwal et al. On-Policy Distillation of Language Models (GKD). 2023, arXiv 2306.13649.

use std::sync::Arc;

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_ops::{Block, ForwardKl, Matching, Pointwise, ln};
use serde::{Deserialize, Serialize};

use super::reverse_kl::Reverse;
use crate::{
    DistillMethod, Objective, Run,
    reference::{Rows, digits},
};

/// Settings of `jsd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Jsd {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Weight of the teacher in the mixture, from 0 to 1.
    #[arg(long, default_value_t = Self::default().beta)]
    pub beta: f32,
}

impl Default for Jsd {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            beta: 0.5,
        }
    }
}

impl DistillMethod for Jsd {
    const NAME: &'static str = "jsd";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "kd-baselines",
            kind: "token_gjs",
            run: gkd_parity,
        },
        Check {
            slug: "kd-baselines",
            kind: "token_divergences",
            run: distillm_parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        super::kl::positive_temperature(self.temperature)?;
        unit_interval("beta", self.beta)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(Matching {
            temperature: self.temperature,
            ..Matching::new(divergence(self.beta))
        })
    }
}

/// The term for a `beta` inside (0, 1).
#[derive(Debug)]
struct Mixture {
    beta: f32,
}

impl Pointwise for Mixture {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, q, log_p, log_q| {
                let (teacher, student) = (self.beta * p, (1.0 - self.beta) * q);
                let log_m = ln(teacher + student);
                let own = student * (log_q - log_m);
                (teacher * (log_p - log_m) + own, own)
            },
        )
    }

    fn composed(
        &self,
        p: Tensor<2>,
        q: Tensor<2>,
        log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2> {
        let (teacher, student) = (p * self.beta, q * (1.0 - self.beta));
        let log_m = (teacher.clone() + student.clone())
            .clamp_min(f32::MIN_POSITIVE)
            .log();
        teacher * (log_p - log_m.clone()) + student * (log_q - log_m)
    }
}

fn divergence(beta: f32) -> Arc<dyn Pointwise> {
    if beta == 0.0 {
        Arc::new(ForwardKl)
    } else if beta == 1.0 {
        Arc::new(Reverse)
    } else {
        Arc::new(Mixture { beta })
    }
}

/// One sentence if a share is not between 0 and 1.
pub(crate) fn unit_interval(key: &str, value: f32) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must lie from 0 to 1"))
    }
}

fn gkd_parity(case: &mut Case) -> Result<(), ParityError> {
    for temperature in case.numbers("temperatures")? {
        for beta in case.numbers("betas")? {
            let mut objective = Matching {
                temperature: temperature as f32,
                ..Matching::new(divergence(beta as f32))
            };
            let suffix = format!("b{beta:?}_T{temperature:?}");
            Rows::answer(case, &suffix, &mut objective)?;
        }
    }
    Ok(())
}

fn distillm_parity(case: &mut Case) -> Result<(), ParityError> {
    for lambda in case.numbers("js_lambdas")? {
        let mut objective = Matching::new(divergence((1.0 - lambda) as f32));
        Rows::answer(case, &format!("js{}", digits(lambda)), &mut objective)?;
    }
    Ok(())
}
