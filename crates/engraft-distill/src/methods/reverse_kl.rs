//! Reverse KL — the student commits to what it can represent.
//!
//! # What it does
//! Penalises the student for mass where the teacher has none, so that a small student keeps to the
//! teacher's main modes instead of covering all.
//!
//! # When to use it, when not
//! For generation with a student much smaller than its teacher. It can lose diversity and rare facts;
//! for recall of many facts forward KL is the safer start.
//!
//! # How
//! `KL(q || p) = sum_v q (log q - log p)`, mean over labelled positions; gradient on a logit
//! `q ((log q - log p) - KL)`.
//!
//! # Where paper and code differ and which we follow
//! They agree; both terms are kept.
//!
//! # Evidence
//! Parity with the DistiLLM losses: `parity/kd-baselines`, kind `token_divergences`. Comparison on
//! the quickstart: `docs/evidence.md`.
//!
//! # Reference
//! Gu, Dong, Wei, Huang. MiniLLM. 2023, arXiv 2306.08543; loss form as in DistiLLM, arXiv 2402.03898.

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

/// Settings of `reverse-kl`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct ReverseKl {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
}

impl Default for ReverseKl {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl DistillMethod for ReverseKl {
    const NAME: &'static str = "reverse-kl";
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
            ..Matching::new(Arc::new(Reverse))
        })
    }
}

/// `q (log q - log p)`.
#[derive(Debug)]
pub struct Reverse;

impl Pointwise for Reverse {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |_, q, log_p, log_q| {
                let term = q * (log_q - log_p);
                (term, term + q)
            },
        )
    }

    fn composed(
        &self,
        _p: Tensor<2>,
        q: Tensor<2>,
        log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2> {
        q * (log_q - log_p)
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    Rows::answer(case, "rkl", &mut Matching::new(Arc::new(Reverse)))
}
