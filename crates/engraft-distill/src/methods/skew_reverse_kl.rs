//! Skew reverse KL — reverse KL against a mixture that holds a little of the student.
//!
//! # What it does
//! Reverse KL in which the teacher is mixed with `lambda` of the student, so that tokens the teacher
//! rules out do not dominate the loss.
//!
//! # When to use it, when not
//! When reverse KL is unstable early in training.
//!
//! # How
//! `sum_v q (log q - log((1 - lambda) p + lambda q))`, mean over labelled positions.
//!
//! # Where paper and code differ and which we follow
//! They agree.
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
use engraft_ops::{Block, Matching, Pointwise, ln};
use serde::{Deserialize, Serialize};

use super::jsd::unit_interval;
use crate::{
    DistillMethod, Objective, Run,
    reference::{Rows, digits},
};

/// Settings of `skew-reverse-kl`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct SkewReverseKl {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Share of the student in the mixture, from 0 to 1.
    #[arg(long, default_value_t = Self::default().lambda)]
    pub lambda: f32,
}

impl Default for SkewReverseKl {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            lambda: 0.1,
        }
    }
}

impl DistillMethod for SkewReverseKl {
    const NAME: &'static str = "skew-reverse-kl";
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
            ..Matching::new(Arc::new(SkewReverse {
                lambda: self.lambda,
            }))
        })
    }
}

/// `q (log q - log((1 - lambda) p + lambda q))`.
#[derive(Debug)]
struct SkewReverse {
    lambda: f32,
}

impl Pointwise for SkewReverse {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, q, _, log_q| {
                let student = self.lambda * q;
                let m = ((1.0 - self.lambda) * p + student).max(f32::MIN_POSITIVE);
                let term = q * (log_q - ln(m));
                (term, term + q - q * student / m)
            },
        )
    }

    fn composed(
        &self,
        p: Tensor<2>,
        q: Tensor<2>,
        _log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2> {
        let m = p * (1.0 - self.lambda) + q.clone() * self.lambda;
        q * (log_q - m.clamp_min(f32::MIN_POSITIVE).log())
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    for lambda in case.numbers("skew_lambdas")? {
        let mut objective = Matching::new(Arc::new(SkewReverse {
            lambda: lambda as f32,
        }));
        Rows::answer(case, &format!("srkl{}", digits(lambda)), &mut objective)?;
    }
    Ok(())
}
