//! PKT — the student keeps the probabilities with which samples are neighbours.
//!
//! # What it does
//! Turns cosine similarities within a batch into conditional probabilities and matches them with a KL.
//!
//! # When to use it, when not
//! For embedders and classifiers, added to `hinton` or labels. The published weight is 30000.
//!
//! # How
//! `P = (cos + 1) / 2`, rows divided by their sum; mean over the matrix of
//! `P_t log((P_t + 1e-7) / (P_s + 1e-7))`.
//!
//! # Where paper and code differ and which we follow
//! They agree.
//!
//! # Evidence
//! Parity with mdistiller: `parity/kd-baselines`, kind `feature_relational`.
//!
//! # Reference
//! Passalis, Tefas. Learning Deep Representations with Probabilistic Knowledge Transfer. ECCV 2018,
//! arXiv 1803.10837.

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use serde::{Deserialize, Serialize};

use crate::{DistillMethod, Objective, Run, View, reference::Features};

/// Settings of `pkt`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Pkt {}

impl DistillMethod for Pkt {
    const NAME: &'static str = "pkt";
    const NEEDS: &'static [Need] = &[Need::PooledFeatures];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "feature_relational",
        run: parity,
    }];

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(self.clone())
    }
}

impl Objective for Pkt {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let (student, teacher) = view.features();
        loss(student, teacher)
    }
}

/// Keeps norms and logarithms away from 0.
const EPS: f32 = 1e-7;

fn loss(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let neighbours = |features: Tensor<2>| {
        let norm = features
            .clone()
            .square()
            .sum_dim(1)
            .clamp_min(EPS * EPS)
            .sqrt();
        let unit = features / (norm + EPS);
        let cosine = unit.clone().matmul(unit.transpose());
        let similarity = (cosine + 1.0) / 2.0;
        similarity.clone() / similarity.sum_dim(1)
    };
    let (p, q) = (neighbours(teacher), neighbours(student));
    (p.clone() * ((p + EPS) / (q + EPS)).log()).mean()
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    Features::read(case)?.answer(case, "pkt", loss);
    Ok(())
}
