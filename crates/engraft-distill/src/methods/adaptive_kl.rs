//! Adaptive KL — forward and reverse KL, weighed per position by where the error lies.
//!
//! # What it does
//! Gives forward KL more weight where student and teacher differ on the likely tokens, reverse KL
//! where they differ on the tail.
//!
//! # When to use it, when not
//! When neither KL wins clearly. It sorts the vocabulary at every position and holds whole logits:
//! for vocabularies of 100,000 and more prefer `kl` or `jsd`.
//!
//! # How
//! Sort `p` descending, tail = where the cumulative sum exceeds `mu` (never the first);
//! `h = sum_head |p - q|`, `t = sum_tail |p - q|`; per position
//! `h / (h + t) KL(p || q) + t / (h + t) KL(q || p)`, ratios detached, mean over labelled positions.
//!
//! # Where paper and code differ and which we follow
//! The authors' code is followed. The port in the TAID repository sorts ascending, applies the mask
//! in vocabulary order, lets gradients through the ratios and drops the teacher's entropy;
//! `taid_port: true` reproduces it for comparison only.
//!
//! # Evidence
//! Parity with both codes: `parity/kd-baselines`, kind `adaptive_kl`.
//!
//! # Reference
//! Wu et al. Rethinking Kullback-Leibler Divergence in Knowledge Distillation for Large Language
//! Models. 2024, arXiv 2404.02657.

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
    reference::{Rows, values},
};

/// Settings of `adaptive-kl`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct AdaptiveKl {
    /// Cumulative probability at which the tail begins, from 0 to 1.
    #[arg(long, default_value_t = Self::default().mu)]
    pub mu: f32,
    /// Reproduce the faulty port in the TAID repository (comparison only).
    #[arg(long, default_value_t = Self::default().taid_port, action = clap::ArgAction::Set)]
    pub taid_port: bool,
}

impl Default for AdaptiveKl {
    fn default() -> Self {
        Self {
            mu: 0.5,
            taid_port: false,
        }
    }
}

impl DistillMethod for AdaptiveKl {
    const NAME: &'static str = "adaptive-kl";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "adaptive_kl",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        unit_interval("mu", self.mu)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(self.clone())
    }
}

impl Objective for AdaptiveKl {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let log_q = log_softmax(view.student.logits.clone().full(), 1);
        let log_p = log_softmax(view.teacher.logits.clone().full(), 1);
        let (p, q) = (log_p.clone().exp(), log_q.clone().exp());
        let rows = p.dims()[0];
        let (head, tail) = if self.taid_port {
            port_ratios(p.clone(), q.clone(), self.mu)
        } else {
            let (head, tail) = ratios(p.clone(), q.clone(), self.mu);
            (head.detach(), tail.detach())
        };
        let forward = if self.taid_port {
            p.neg() * log_q.clone()
        } else {
            p * (log_p.clone() - log_q.clone())
        };
        let reverse = q * (log_q - log_p);
        let per_row = (head * forward.sum_dim(1) + tail * reverse.sum_dim(1)).reshape([rows]);
        let weights = view.mask.clone().float();
        let kept = weights.clone().sum().clamp_min(1.0);
        (per_row * weights).sum() / kept
    }
}

/// Shares of the error on head and tail, each `[rows, 1]`.
fn ratios(p: Tensor<2>, q: Tensor<2>, mu: f32) -> (Tensor<2>, Tensor<2>) {
    let (sorted, order) = p.clone().sort_descending_with_indices(1);
    let rows = sorted.dims()[0];
    let error = (p - q).abs().gather(1, order);
    let tail = sorted.cumsum(1).greater_elem(mu).float();
    let first = Tensor::zeros([rows, 1], &tail.device());
    let tail = tail.slice_assign([0..rows, 0..1], first);
    shares(error, tail)
}

/// The port: ascending order, and the mask of the sorted order applied in vocabulary order.
fn port_ratios(p: Tensor<2>, q: Tensor<2>, mu: f32) -> (Tensor<2>, Tensor<2>) {
    let tail = p.clone().sort(1).cumsum(1).lower_elem(mu).float();
    shares((p - q).abs(), tail)
}

fn shares(error: Tensor<2>, tail: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let in_tail = (error.clone() * tail).sum_dim(1);
    let all = error.sum_dim(1).clamp_min(f32::MIN_POSITIVE);
    let share = in_tail / all;
    (share.clone().neg() + 1.0, share)
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let mu = case.number("mu")? as f32;
    let rows = Rows::read(case)?;
    let softmax = |logits: Tensor<2>| log_softmax(logits, 1).exp();
    let (head, tail) = ratios(
        softmax(rows.teacher.clone()),
        softmax(rows.student.clone()),
        mu,
    );
    case.output_f32("head_ratio", &values(head));
    case.output_f32("tail_ratio", &values(tail));
    for (suffix, taid_port) in [("official", false), ("taid_port", true)] {
        Rows::answer(case, suffix, &mut AdaptiveKl { mu, taid_port })?;
    }
    Ok(())
}
