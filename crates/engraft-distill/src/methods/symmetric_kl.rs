//! Symmetric KL — a weighted sum of forward and reverse KL.
//!
//! # What it does
//! Mixes the mode-covering forward KL with the mode-seeking reverse KL in a fixed proportion.
//!
//! # When to use it, when not
//! When forward KL blurs and reverse KL forgets; `adaptive-kl` chooses the proportion per position.
//!
//! # How
//! `(1 - lambda) * cross-entropy(p, q) + lambda * KL(q || p)`, mean over labelled positions.
//!
//! # Where paper and code differ and which we follow
//! The code uses the cross term of the forward part, without the teacher's entropy; so do we, since the
//! weights of the two parts only make sense with their gradients, which are equal.
//!
//! # Evidence
//! Parity with the DistiLLM losses: `parity/kd-baselines`, kind `token_divergences`.
//!
//! # Reference
//! Ko et al. DistiLLM. 2024, arXiv 2402.03898.

use std::sync::Arc;

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_ops::{Block, Matching, Pointwise};
use serde::{Deserialize, Serialize};

use super::jsd::unit_interval;
use crate::{
    DistillMethod, Objective, Run,
    reference::{Rows, digits},
};

/// Settings of `symmetric-kl`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct SymmetricKl {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Share of reverse KL, from 0 to 1.
    #[arg(long, default_value_t = Self::default().lambda)]
    pub lambda: f32,
}

impl Default for SymmetricKl {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            lambda: 0.9,
        }
    }
}

impl DistillMethod for SymmetricKl {
    const NAME: &'static str = "symmetric-kl";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "token_divergences",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        super::kl::positive_temperature(self.temperature)?;
        unit_interval("lambda", self.lambda)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(Matching {
            temperature: self.temperature,
            ..Matching::new(Arc::new(Symmetric {
                lambda: self.lambda,
            }))
        })
    }
}

/// `-(1 - lambda) p log q + lambda q (log q - log p)`.
#[derive(Debug)]
struct Symmetric {
    lambda: f32,
}

impl Pointwise for Symmetric {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, q, log_p, log_q| {
                let reverse = self.lambda * q * (log_q - log_p);
                let forward = (1.0 - self.lambda) * p;
                let slope = reverse + self.lambda * q - forward;
                (reverse - forward * log_q, slope)
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
        q * (log_q.clone() - log_p) * self.lambda - p * log_q * (1.0 - self.lambda)
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let lambda = case.number("symmetric_lambda")?;
    let suffix = format!("sym{}", digits(lambda));
    let term = Symmetric {
        lambda: lambda as f32,
    };
    Rows::answer(case, &suffix, &mut Matching::new(Arc::new(term)))
}
