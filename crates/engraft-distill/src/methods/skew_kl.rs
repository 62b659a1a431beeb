//! Skew forward KL — forward KL against a mixture that holds a little of the teacher.
//!
//! # What it does
//! Forward KL in which the student is mixed with `lambda` of the teacher, so that no term explodes where
//! the student has almost no mass.
//!
//! # When to use it, when not
//! The DistiLLM objective; steadier than forward KL when the student starts far away. With a large
//! `lambda` little gradient is left.
//!
//! # How
//! `-sum_v p log(lambda p + (1 - lambda) q)`, mean over labelled positions.
//!
//! # Where paper and code differ and which we follow
//! The code gives the cross term only; raw values are not comparable with other losses.
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

/// Settings of `skew-kl`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct SkewKl {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Share of the teacher in the mixture, from 0 to 1.
    #[arg(long, default_value_t = Self::default().lambda)]
    pub lambda: f32,
}

impl Default for SkewKl {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            lambda: 0.1,
        }
    }
}

impl DistillMethod for SkewKl {
    const NAME: &'static str = "skew-kl";
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
            ..Matching::new(Arc::new(Skew {
                lambda: self.lambda,
            }))
        })
    }
}

/// `-p log(lambda p + (1 - lambda) q)`.
#[derive(Debug)]
struct Skew {
    lambda: f32,
}

impl Pointwise for Skew {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, q, _, _| {
                let student = (1.0 - self.lambda) * q;
                let m = (self.lambda * p + student).max(f32::MIN_POSITIVE);
                (-p * ln(m), -p * student / m)
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
        let m = p.clone() * self.lambda + q * (1.0 - self.lambda);
        p.neg() * m.clamp_min(f32::MIN_POSITIVE).log()
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    for lambda in case.numbers("skew_lambdas")? {
        let mut objective = Matching::new(Arc::new(Skew {
            lambda: lambda as f32,
        }));
        Rows::answer(case, &format!("sfkl{}", digits(lambda)), &mut objective)?;
    }
    Ok(())
}
