//! SP — the student keeps which samples resemble each other.
//!
//! # What it does
//! Matches the matrix of similarities between the samples of a batch.
//!
//! # When to use it, when not
//! For classifiers, added to `hinton` or labels; cheaper than `rkd`. The published weight is 3000.
//!
//! # How
//! `G = F F^T`, rows divided by their L2 norm; `||G_t - G_s||_F^2 / batch^2`.
//!
//! # Where paper and code differ and which we follow
//! They agree.
//!
//! # Evidence
//! Parity with mdistiller: `parity/kd-baselines`, kind `feature_relational`.
//!
//! # Reference
//! Tung, Mori. Similarity-Preserving Knowledge Distillation. ICCV 2019, arXiv 1907.09682.

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use serde::{Deserialize, Serialize};

use crate::{DistillMethod, Objective, Run, View, reference::Features};

/// Settings of `similarity`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Similarity {}

impl DistillMethod for Similarity {
    const NAME: &'static str = "similarity";
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

impl Objective for Similarity {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let (student, teacher) = view.features();
        loss(student, teacher)
    }
}

fn loss(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let batch = student.dims()[0];
    let gram = |features: Tensor<2>| {
        let gram = features.clone().matmul(features.transpose());
        // The norm is bounded by 1e-12.
        let norm = gram.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
        gram / norm
    };
    (gram(teacher) - gram(student)).square().sum() / (batch * batch) as f32
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    Features::read(case)?.answer(case, "sp", loss);
    Ok(())
}
