//! TAID — shrink a big language model along a target that moves from the student to the teacher.
//!
//! # What it does
//! Distils towards an intermediate distribution that is always only a little ahead of the student
//! and ends at the teacher, which softens the shock of a large capacity gap.
//!
//! # When to use it, when not
//! For students much smaller than their teacher, in longer runs. On image classifiers it loses to
//! DKD in the authors' own table. In runs much shorter than `2 / alpha` steps its adaptive part
//! never acts and it is a linear ramp; `alpha: 0` scales alpha with the run instead (`10 / steps`).
//!
//! # How
//! Target `p_t = softmax((1 - t) sg(z_s) + t z_t)`, loss `-sum_v p_t log q` over labelled positions.
//! After each optimiser step with loss `J`: `delta = (J' - J) / (J' + 1e-15)` with the previous `J'`,
//! `m = beta m + (1 - beta) delta`, `t = min(t_end, max(linear ramp, t + alpha sigmoid(m) (1 - t)))`.
//!
//! # Where paper and code differ and which we follow
//! The paper writes KL, the code uses the cross term (the gradient is the same, the schedule sees a
//! different J); we follow the code. The released script stops after 10 batches an epoch, a left-over
//! that we do not carry. The code also advances t in validation and once a micro-batch; we advance it
//! once an optimiser step.
//!
//! # Evidence
//! Parity with the official class: `parity/taid`, kinds `loss` and `schedule`. Against forward and
//! reverse KL on the quickstart: `docs/evidence.md`.
//!
//! # Reference
//! Shing, Misaki, Bao, Yokoi, Akiba. TAID. ICLR 2025, arXiv 2501.16937.

use std::sync::Arc;

use burn::tensor::Tensor;
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_ops::Matching;
use engraft_train::Step;
use serde::{Deserialize, Serialize};

use super::kl::CrossTerm;
use crate::{DistillMethod, Objective, Run, View, reference::Rows};

/// Settings of `taid`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Taid {
    /// Where the target starts: 0 is the student, 1 the teacher.
    #[arg(long, default_value_t = Self::default().t_start)]
    pub t_start: f32,
    /// Where the target ends.
    #[arg(long, default_value_t = Self::default().t_end)]
    pub t_end: f32,
    /// Step size of the adaptive part; 0 takes 10 / steps.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    /// Momentum of the relative improvement.
    #[arg(long, default_value_t = Self::default().beta)]
    pub beta: f32,
    /// Let the loss speed the target up; off, t is a linear ramp.
    #[arg(long, default_value_t = Self::default().adaptive, action = clap::ArgAction::Set)]
    pub adaptive: bool,
}

impl Default for Taid {
    fn default() -> Self {
        Self {
            t_start: 0.4,
            t_end: 1.0,
            alpha: 5e-4,
            beta: 0.99,
            adaptive: true,
        }
    }
}

impl DistillMethod for Taid {
    const NAME: &'static str = "taid";
    const NEEDS: &'static [Need] = &[Need::FullLogits, Need::SameVocabulary];
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "taid",
            kind: "loss",
            run: loss_parity,
        },
        Check {
            slug: "taid",
            kind: "schedule",
            run: schedule_parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.t_start) {
            return Err(format!(
                "t_start is {}; it must lie from 0 to below 1",
                self.t_start
            ));
        }
        if !(self.t_start..=1.0).contains(&self.t_end) {
            return Err(format!(
                "t_end is {}; it must lie from t_start to 1",
                self.t_end
            ));
        }
        if !(0.0..=1.0).contains(&self.alpha) || !(0.0..1.0).contains(&self.beta) {
            return Err("alpha must lie from 0 to 1 and beta from 0 to below 1".to_owned());
        }
        Ok(())
    }

    fn objective(&self, run: &Run) -> Box<dyn Objective> {
        let mut config = self.clone();
        if config.alpha == 0.0 {
            config.alpha = (10.0 / run.steps.max(1) as f32).min(1.0);
        }
        Box::new(Interpolated {
            schedule: Schedule::new(config),
        })
    }
}

/// The moving target.
struct Interpolated {
    schedule: Schedule,
}

impl Objective for Interpolated {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        matching(self.schedule.t).loss(view)
    }

    fn observe(&mut self, loss: f64, step: &Step) {
        self.schedule.update(loss as f32, step.index, step.total);
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        vec![("taid_t", f64::from(self.schedule.t))]
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({
            "t": self.schedule.t,
            "previous": self.schedule.previous,
            "momentum": self.schedule.momentum,
        })
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
        let read = |key: &str| {
            state
                .get(key)
                .and_then(serde_json::Value::as_f64)
                .ok_or_else(|| format!("TAID's state has no number `{key}`"))
        };
        self.schedule.t = read("t")? as f32;
        self.schedule.momentum = read("momentum")? as f32;
        self.schedule.previous = read("previous").ok().map(|x| x as f32);
        Ok(())
    }
}

fn matching(t: f32) -> Matching {
    Matching {
        interpolate: t,
        ..Matching::new(Arc::new(CrossTerm))
    }
}

/// How far the target has moved; single precision, as the official code.
struct Schedule {
    config: Taid,
    t: f32,
    /// None until the first loss was seen.
    previous: Option<f32>,
    momentum: f32,
    /// The last adaptive increment.
    increment: f32,
}

impl Schedule {
    fn new(config: Taid) -> Self {
        Self {
            t: config.t_start,
            config,
            previous: None,
            momentum: 0.0,
            increment: 0.0,
        }
    }

    fn update(&mut self, loss: f32, step: usize, total: usize) {
        let Taid {
            t_start,
            t_end,
            alpha,
            beta,
            adaptive,
        } = self.config;
        let Some(previous) = self.previous.replace(loss) else {
            return;
        };
        let improvement = (previous - loss) / (previous + 1e-15);
        self.momentum = beta * self.momentum + (1.0 - beta) * improvement;
        let sigmoid = 1.0 / (1.0 + (-self.momentum).exp());
        self.increment = alpha * sigmoid * (1.0 - self.t);
        let ramp = t_start + (t_end - t_start) * step as f32 / total.max(1) as f32;
        self.t = if adaptive {
            t_end.min(ramp.max(self.t + self.increment))
        } else {
            ramp
        };
    }
}

fn loss_parity(case: &mut Case) -> Result<(), ParityError> {
    let t = case.number("t")? as f32;
    let (loss, gradient) = Rows::read(case)?.evaluate(&mut matching(t));
    case.output("loss", [loss]);
    case.output_f32("grad_student", &gradient);
    Ok(())
}

fn schedule_parity(case: &mut Case) -> Result<(), ParityError> {
    let mut schedule = Schedule::new(Taid {
        t_start: case.number("t_start")? as f32,
        t_end: case.number("t_end")? as f32,
        alpha: case.number("alpha")? as f32,
        beta: case.number("beta")? as f32,
        adaptive: !case.flag("disable_adaptive")?,
    });
    let total = case.number("num_train_steps")? as usize;
    let (mut t, mut momentum, mut increment) = (Vec::new(), Vec::new(), Vec::new());
    for (step, loss) in case.input("losses")?.f32().into_iter().enumerate() {
        schedule.update(loss, step, total);
        t.push(schedule.t);
        momentum.push(schedule.momentum);
        increment.push(schedule.increment);
    }
    case.output_f32("t_after", &t);
    case.output_f32("momentum_after", &momentum);
    case.output_f32("delta_t", &increment);
    Ok(())
}
