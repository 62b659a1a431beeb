//! CTKD — distillation with a temperature that is learned to make the task harder.
//!
//! # What it does
//! Learns the temperature of Hinton's loss along with the student, against it: a curriculum from
//! easy to hard.
//!
//! # When to use it, when not
//! When tuning the temperature by hand is not possible. The gain over a good fixed temperature is
//! small in the published tables.
//!
//! # How
//! `T = 1 + 20 sigmoid(theta)`, theta starts at 1; the loss is Hinton's with that T; the gradient that
//! reaches theta is multiplied by `lambda(e)`, which goes from 0 to `reversal` along a half cosine
//! over the first `ramp` of the run.
//!
//! # Where paper and code differ and which we follow
//! The authors' code is followed: theta is trained and lambda is negative. The port in the TAID
//! repository never trains theta and has the opposite sign. The ramp counts epochs there (10 of 240)
//! and a share of the steps here.
//!
//! # Evidence
//! Parity with the official reversal layer: `parity/kd-baselines`, kind `token_dkd_ctkd`.
//!
//! # Reference
//! Li et al. Curriculum Temperature for Knowledge Distillation. AAAI 2023, arXiv 2211.16231.

use burn::tensor::{
    Device, Tensor,
    activation::{log_softmax, sigmoid},
};
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_nets::{Parameter, Role, Value};
use engraft_train::Step;
use serde::{Deserialize, Serialize};

use crate::{
    DistillMethod, Objective, Run, View,
    reference::{Rows, gradient, leaf, scalar},
};

/// Settings of `ctkd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Ctkd {
    /// Factor on the gradient of the temperature at the end of the ramp; negative makes it harder.
    #[arg(long, default_value_t = Self::default().reversal, allow_negative_numbers = true)]
    pub reversal: f32,
    /// Share of the run over which the factor goes from 0 to `reversal`.
    #[arg(long, default_value_t = Self::default().ramp)]
    pub ramp: f32,
}

impl Default for Ctkd {
    fn default() -> Self {
        Self {
            reversal: -1.0,
            ramp: 10.0 / 240.0,
        }
    }
}

impl DistillMethod for Ctkd {
    const NAME: &'static str = "ctkd";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "token_dkd_ctkd",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        super::jsd::unit_interval("ramp", self.ramp)
    }

    fn objective(&self, _run: &Run) -> Box<dyn Objective> {
        Box::new(Curriculum::new(self.clone()))
    }
}

struct Curriculum {
    config: Ctkd,
    theta: Parameter,
}

impl Curriculum {
    fn new(config: Ctkd) -> Self {
        let theta = Tensor::<1>::ones([1], &Device::flex());
        Self {
            config,
            theta: Parameter::new("ctkd.theta", Role::Bias, Value::R1(theta)),
        }
    }

    /// The factor on theta's gradient: 0 at the start, `reversal` after the ramp.
    fn factor(&self, step: &Step) -> f32 {
        let end = self.config.ramp * step.total as f32;
        if end == 0.0 {
            return self.config.reversal;
        }
        let done = ((step.index + 1) as f32 / end).min(1.0);
        self.config.reversal * (1.0 - (std::f32::consts::PI * done).cos()) / 2.0
    }
}

impl Objective for Curriculum {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let student = view.student.logits.clone().full();
        let theta = self.theta.r1().to_device(&student.device());
        let theta = scale_gradient(theta, self.factor(view.step));
        let temperature = (sigmoid(theta) * 20.0 + 1.0).unsqueeze::<2>();
        let [rows, classes] = student.dims();
        let at = temperature.clone().expand([rows, classes]);
        let log_q = log_softmax(student / at.clone(), 1);
        let log_p = log_softmax(view.teacher.logits.clone().full().autodiff() / at, 1);
        let per_row = (log_p.exp() * log_q).sum_dim(1).neg().reshape([rows]);
        let weights = view.mask.clone().float();
        let kept = weights.clone().sum().clamp_min(1.0);
        (per_row * weights).sum() / kept * temperature.square().reshape([1])
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        let theta = scalar(self.theta.r1().inner());
        vec![("ctkd_temperature", 1.0 + 20.0 / (1.0 + (-theta).exp()))]
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.theta]
    }
}

/// The value unchanged, its gradient times `factor`.
fn scale_gradient(x: Tensor<1>, factor: f32) -> Tensor<1> {
    x.clone() * factor + x.detach() * (1.0 - factor)
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let reversal = case.number("ctkd_lambda")? as f32;
    let mut objective = Curriculum::new(Ctkd {
        reversal,
        ramp: 0.0,
    });
    let device = Device::flex().autodiff();
    let theta =
        Tensor::<1>::from_floats([case.input("ctkd_theta")?.f32()[0]], &device).require_grad();
    objective.theta.value = Value::R1(theta.clone());
    let rows = Rows::read(case)?;
    let loss = rows.loss(&leaf(&rows.student), &mut objective);
    case.output("ctkd_loss", [scalar(loss.clone())]);
    case.output_f32("ctkd_grad_theta", &gradient(&loss, &theta));
    case.output("ctkd_temperature", [objective.scalars()[0].1]);
    Ok(())
}
