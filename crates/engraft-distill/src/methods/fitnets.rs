//! FitNets — the student predicts the teacher's hidden features.
//!
//! # What it does
//! Trains a linear regressor from the student's features to the teacher's along with the student, and
//! pulls the student to make that easy.
//!
//! # When to use it, when not
//! For classifiers, added to `hinton` or labels. The regressor is thrown away at the end. The published
//! weight is 100.
//!
//! # How
//! `mean((W f_s + b - f_t)^2)` over all elements.
//!
//! # Where paper and code differ and which we follow
//! The official repository puts a convolution, batch norm and ReLU between feature maps; pooled features
//! take a linear regressor, as the reference case does.
//!
//! # Evidence
//! Parity with mdistiller: `parity/kd-baselines`, kind `feature_relational`.
//!
//! # Reference
//! Romero et al. FitNets: Hints for Thin Deep Nets. ICLR 2015, arXiv 1412.6550.

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_nets::Parameter;
use engraft_ops::linear;
use serde::{Deserialize, Serialize};

use crate::{
    DistillMethod, Objective, Run, View,
    projection::Projection,
    reference::{Features, matrix},
};

/// Settings of `fitnets`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct FitNets {}

impl DistillMethod for FitNets {
    const NAME: &'static str = "fitnets";
    const NEEDS: &'static [Need] = &[Need::PooledFeatures];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "feature_relational",
        run: parity,
    }];

    fn objective(&self, run: &Run) -> Box<dyn Objective> {
        Box::new(Hint {
            regressor: Projection::new("fitnets", run.student.width, run.teacher.width, run.seed),
        })
    }
}

struct Hint {
    regressor: Projection,
}

impl Objective for Hint {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let (student, teacher) = view.features();
        hint(self.regressor.apply(student), teacher)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.regressor.parameters_mut()
    }
}

fn hint(regressed: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    (regressed - teacher).square().mean()
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let weight = matrix(case.input("hint_weight")?).autodiff();
    let bias = matrix(case.input("hint_bias")?).reshape([-1]).autodiff();
    Features::read(case)?.answer(case, "hint", |student, teacher| {
        hint(linear(student, weight, Some(bias)), teacher)
    });
    Ok(())
}
