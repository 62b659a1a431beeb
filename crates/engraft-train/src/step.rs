//! What a training step asks of a method: a loss, and hooks around it.

use burn::tensor::Tensor;
use engraft_nets::{Batch, Network, Parameter, Value};

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Optimiser steps done so far, from 0.
    pub index: usize,
    /// Optimiser steps planned.
    pub total: usize,
    /// Task number in a sequence of tasks, from 0.
    pub task: usize,
}

/// What a loss gives.
pub struct Terms {
    /// The scalar to differentiate, `[1]`.
    pub total: Tensor<1>,
    /// Parts to log; filling them must not cost a device sync.
    pub parts: Vec<(&'static str, Tensor<1>)>,
    /// New running statistics of the network.
    pub statistics: Vec<(String, Value)>,
}

/// The loss of one micro-batch: cross-entropy, distillation, a preference objective.
pub trait Loss: Send {
    fn loss(&mut self, network: &dyn Network, batch: &Batch, step: &Step) -> Terms;

    /// Called once an optimiser step with the loss value of that step (mean over micro-batches).
    fn observe(&mut self, _loss: f64, _step: &Step) {}

    /// Parameters of the loss itself that are trained along with the network (a regressor, a
    /// learned temperature). The loop tracks, updates and checkpoints them as the network's.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        Vec::new()
    }

    /// Scalars worth a curve in the report (TAID's t, a learned temperature).
    fn scalars(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// All state that a resumed run needs, and its return.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn restore(&mut self, _state: serde_json::Value) -> Result<(), String> {
        Ok(())
    }
}

/// Hooks of the one training loop; continual methods are hooks. All default to nothing.
pub trait Hook: Send {
    fn before_task(&mut self, _network: &dyn Network, _task: usize) {}

    /// An addition to the loss (a penalty), `[1]`; asked once an optimiser step.
    fn extra_loss(&mut self, _network: &dyn Network, _step: &Step) -> Option<Tensor<1>> {
        None
    }

    /// Changes the gradient of one parameter (projection, mask) before clipping; called once an
    /// optimiser step, with the mean over micro-batches.
    fn transform_gradient(
        &mut self,
        _parameter: &Parameter,
        gradient: Value,
        _step: &Step,
    ) -> Value {
        gradient
    }

    fn after_step(&mut self, _network: &mut dyn Network, _step: &Step) {}

    fn after_task(&mut self, _network: &dyn Network, _task: usize) {}

    /// What the steps so far changed in this hook. A resumed run calls [`Hook::before_task`] with
    /// the network the task started from, then [`Hook::restore`].
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn restore(&mut self, _state: serde_json::Value) -> Result<(), String> {
        Ok(())
    }
}
