//! Forward KL — the student covers everything the teacher finds likely.
//!
//! # What it does
//! Pulls the student's distribution towards the teacher's at every labelled position, the standard
//! distillation loss for language models.
//!
//! # When to use it, when not
//! The first thing to try, and the baseline of every other method here. A student much smaller than
//! its teacher spreads its mass over modes it cannot represent; reverse KL, skew or TAID answer that.
//!
//! # How
//! `KL(p || q) = sum_v p (log p - log q)`, `p = softmax(z_t / T)`, `q = softmax(z_s / T)`; mean over
//! labelled positions. The gradient on the student's logits is `(q - p) / T` per position.
//!
//! # Where paper and code differ and which we follow
//! The common training code drops the teacher's entropy (a constant), so that its value is a
//! cross-entropy. Here the value is the true KL, which falls to 0; `teacher_entropy: false` gives
//! the other. The gradient is the same.
//!
//! # Evidence
//! Parity with the DistiLLM losses: `parity/kd-baselines`, kind `token_divergences`. Measured
//! against training from the text alone: `docs/evidence.md`, quickstart.
//!
//! # Reference
//! Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015, arXiv 1503.02531.
//! Token form as in Ko et al., DistiLLM, 2024, arXiv 2402.03898.

use std::sync::Arc;

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_ops::{Block, ForwardKl, Matching, Pointwise};
use serde::{Deserialize, Serialize};

use crate::{DistillMethod, Objective, Run, reference::Rows};

/// Settings of `kl`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Kl {
    /// Divides both logits before the softmax.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Count the teacher's entropy, so that the loss is a true KL and ends at 0.
    #[arg(long, default_value_t = Self::default().teacher_entropy, action = clap::ArgAction::Set)]
    pub teacher_entropy: bool,
}

impl Default for Kl {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            teacher_entropy: true,
        }
    }
}

impl DistillMethod for Kl {
    const NAME: &'static str = "kl";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "token_divergences",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        positive_temperature(self.temperature)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        let divergence: Arc<dyn Pointwise> = if self.teacher_entropy {
            Arc::new(ForwardKl)
        } else {
            Arc::new(CrossTerm)
        };
        Box::new(Matching {
            temperature: self.temperature,
            ..Matching::new(divergence)
        })
    }
}

/// One sentence if a temperature is not above 0.
pub(crate) fn positive_temperature(temperature: f32) -> Result<(), String> {
    if temperature > 0.0 && temperature.is_finite() {
        Ok(())
    } else {
        Err(format!("temperature is {temperature}; it must be above 0"))
    }
}

/// `-p log q`: forward KL without the teacher's entropy.
#[derive(Debug)]
pub struct CrossTerm;

impl Pointwise for CrossTerm {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, _, _, log_q| (-p * log_q, -p),
        )
    }

    fn composed(
        &self,
        p: Tensor<2>,
        _q: Tensor<2>,
        _log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2> {
        p.neg() * log_q
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    Rows::answer(case, "fkl", &mut Matching::new(Arc::new(CrossTerm)))
}
