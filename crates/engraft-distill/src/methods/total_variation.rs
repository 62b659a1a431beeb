//! Total variation — half the absolute difference of the probabilities.
//!
//! # What it does
//! Matches probabilities in the L1 sense, each position bounded by 1.
//!
//! # When to use it, when not
//! When a few positions with extreme ratios spoil a KL. Its gradient is weak far from the teacher.
//!
//! # How
//! `0.5 sum_v |p - q|`, mean over labelled positions; the slope at `p = q` is 0.
//!
//! # Where paper and code differ and which we follow
//! They agree.
//!
//! # Evidence
//! Parity with the DistiLLM losses: `parity/kd-baselines`, kind `token_divergences`.
//!
//! # Reference
//! Wen et al. f-Divergence Minimization for Sequence-Level Knowledge Distillation. 2023, arXiv 2307.15190.

use std::sync::Arc;

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_ops::{Block, Matching, Pointwise};
use serde::{Deserialize, Serialize};

use crate::{DistillMethod, Objective, Run, reference::Rows};

/// Settings of `tvd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct TotalVariation {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
}

impl Default for TotalVariation {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl DistillMethod for TotalVariation {
    const NAME: &'static str = "tvd";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "token_divergences",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        super::kl::positive_temperature(self.temperature)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(Matching {
            temperature: self.temperature,
            ..Matching::new(Arc::new(HalfAbsolute))
        })
    }
}

/// `0.5 |p - q|`.
#[derive(Debug)]
struct HalfAbsolute;

impl Pointwise for HalfAbsolute {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, q, _, _| {
                let difference = q - p;
                // `signum` of 0 is 1, and the slope there is 0.
                let sign = if difference == 0.0 {
                    0.0
                } else {
                    difference.signum()
                };
                (0.5 * difference.abs(), 0.5 * q * sign)
            },
        )
    }

    fn composed(
        &self,
        p: Tensor<2>,
        q: Tensor<2>,
        _log_p: Tensor<2>,
        _log_q: Tensor<2>,
    ) -> Tensor<2> {
        (p - q).abs() * 0.5
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    Rows::answer(case, "tvd", &mut Matching::new(Arc::new(HalfAbsolute)))
}
