//! RKD — the student keeps the distances and angles between samples.
//!
//! # What it does
//! Matches how the samples of a batch lie relative to each other in feature space, so student and
//! teacher may differ in width.
//!
//! # When to use it, when not
//! For classifiers and embedders, added to `hinton` or labels. Needs batches of some dozens; the angle
//! part costs `batch^3`.
//!
//! # How
//! Distances: pairwise norms divided by the mean of the positive ones, smooth-L1, mean over pairs.
//! Angles: cosines at every sample between all pairs of unit differences, smooth-L1, mean over
//! triples. `distance * L_d + angle * L_a`.
//!
//! # Where paper and code differ and which we follow
//! They agree. Squares are clamped before the root, so that duplicates get no gradient.
//!
//! # Evidence
//! Parity with mdistiller: `parity/kd-baselines`, kind `feature_relational`.
//!
//! # Reference
//! Park, Kim, Lu, Cho. Relational Knowledge Distillation. CVPR 2019, arXiv 1904.05068.

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use serde::{Deserialize, Serialize};

use crate::{DistillMethod, Objective, Run, View, reference::Features};

/// Settings of `rkd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Rkd {
    /// Weight of the distances.
    #[arg(long, default_value_t = Self::default().distance)]
    pub distance: f32,
    /// Weight of the angles.
    #[arg(long, default_value_t = Self::default().angle)]
    pub angle: f32,
}

impl Default for Rkd {
    fn default() -> Self {
        Self {
            distance: 25.0,
            angle: 50.0,
        }
    }
}

impl DistillMethod for Rkd {
    const NAME: &'static str = "rkd";
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

impl Objective for Rkd {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let (student, teacher) = view.features();
        let (student, teacher) = (differences(student), differences(teacher));
        distance_loss(student.clone(), teacher.clone(), EPS) * self.distance
            + angle_loss(student, teacher, EPS) * self.angle
    }
}

/// Lower bound of squared distances.
const EPS: f32 = 1e-12;

/// `f_j - f_i`, `[batch, batch, width]`.
fn differences(features: Tensor<2>) -> Tensor<3> {
    let [batch, width] = features.dims();
    features
        .clone()
        .reshape([1, batch, width])
        .expand([batch, batch, width])
        - features
            .reshape([batch, 1, width])
            .expand([batch, batch, width])
}

fn distance_loss(student: Tensor<3>, teacher: Tensor<3>, eps: f32) -> Tensor<1> {
    let normalised = |differences: Tensor<3>| {
        let [batch, _, _] = differences.dims();
        let device = differences.device();
        let apart = Tensor::<2>::eye(batch, &device).neg() + 1.0;
        let squared = differences.square().sum_dim(2).reshape([batch, batch]);
        let distance = squared.clamp_min(eps).sqrt() * apart;
        let positive = distance
            .clone()
            .greater_elem(0.0)
            .float()
            .sum()
            .clamp_min(1.0);
        let mean = (distance.clone().sum() / positive).clamp_min(eps);
        distance / mean.unsqueeze()
    };
    smooth_l1(normalised(student) - normalised(teacher))
}

fn angle_loss(student: Tensor<3>, teacher: Tensor<3>, eps: f32) -> Tensor<1> {
    let cosines = |differences: Tensor<3>| {
        // The norm is bounded by eps, so its square by eps^2.
        let squared = differences.clone().square().sum_dim(2).clamp_min(eps * eps);
        let unit = differences / squared.sqrt();
        unit.clone().matmul(unit.transpose())
    };
    smooth_l1(cosines(student) - cosines(teacher))
}

/// Smooth L1 with delta 1, mean over all elements.
fn smooth_l1<const D: usize>(difference: Tensor<D>) -> Tensor<1> {
    let size = difference.abs();
    let small = size.clone().clamp_max(1.0);
    (small.clone().square() * 0.5 + (size - small)).mean()
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let distance = case.number("rkd_distance_weight")? as f32;
    let angle = case.number("rkd_angle_weight")? as f32;
    let eps = case.number("eps")? as f32;
    let features = Features::read(case)?;
    features.answer(case, "rkd", |student, teacher| {
        let (student, teacher) = (differences(student), differences(teacher));
        distance_loss(student.clone(), teacher.clone(), eps) * distance
            + angle_loss(student, teacher, eps) * angle
    });
    features.answer(case, "rkd_dist", |student, teacher| {
        distance_loss(differences(student), differences(teacher), eps)
    });
    features.answer(case, "rkd_angle", |student, teacher| {
        angle_loss(differences(student), differences(teacher), eps)
    });
    Ok(())
}
