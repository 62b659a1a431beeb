//! The trait of all distillation objectives.

use burn::tensor::{Bool, Int, Tensor};
use engraft_nets::{Capabilities, Parameter, Signals};
use engraft_ops::{Matching, divergence};
use engraft_train::Step;

/// What is known when an objective is built.
#[derive(Clone, Debug)]
pub struct Run {
    /// Optimiser steps planned.
    pub steps: usize,
    pub student: Capabilities,
    pub teacher: Capabilities,
    /// Number of samples, where the data is a fixed set.
    pub samples: Option<usize>,
    pub seed: u64,
}

/// What an objective sees of one micro-batch.
pub struct View<'a> {
    pub student: &'a Signals,
    /// Detached by construction.
    pub teacher: &'a Signals,
    /// `[rows]`: class or token id, -100 where the row does not count.
    pub labels: Tensor<1, Int>,
    /// `[rows]`: whether the row counts.
    pub mask: Tensor<1, Bool>,
    /// Number of each sample in its data set, `[batch]`.
    pub samples: &'a [usize],
    pub step: &'a Step,
}

/// A distance between student and teacher, differentiable in the student.
pub trait Objective: Send {
    /// A scalar, `[1]`.
    fn loss(&mut self, view: &View<'_>) -> Tensor<1>;

    /// Called once an optimiser step with this objective's mean value.
    fn observe(&mut self, _loss: f64, _step: &Step) {}

    /// Scalars worth a curve.
    fn scalars(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Parameters of the objective itself that are trained along (a regressor, a temperature).
    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        Vec::new()
    }

    /// State beyond parameters that a resumed run needs, and its return.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn restore(&mut self, _state: serde_json::Value) -> Result<(), String> {
        Ok(())
    }
}

/// Every pointwise divergence is an objective over the rows that count.
impl Objective for Matching {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        divergence(
            view.student.logits.clone(),
            view.teacher.logits.clone(),
            Some(view.mask.clone()),
            self,
        )
    }
}

impl View<'_> {
    /// Pooled features of student and teacher, `[batch, width]` each.
    ///
    /// Panics where a network has none: the plan refuses such a step before it runs.
    pub fn features(&self) -> (Tensor<2>, Tensor<2>) {
        let of = |signals: &Signals| {
            signals
                .features
                .clone()
                .expect("the plan checked that both networks have pooled features")
        };
        (of(self.student), of(self.teacher))
    }
}
