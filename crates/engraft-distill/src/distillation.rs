//! The loss of the training loop: run teacher and student, ask the objective.

use burn::tensor::{DType, Int, Tensor, TensorData};
use engraft_nets::{Batch, IGNORE, Mode, Network, Parameter, Signals, Taps};
use engraft_ops::cross_entropy;
use engraft_train::{Loss, Step, Terms};

use crate::{Objective, View};

/// How labels and teacher share the loss: `labels * cross-entropy + teacher * objective`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    pub labels: f64,
    pub teacher: f64,
}

impl Default for Weights {
    /// The teacher alone.
    fn default() -> Self {
        Self {
            labels: 0.0,
            teacher: 1.0,
        }
    }
}

/// A teacher, an objective and their weights as one [`Loss`].
pub struct Distillation {
    teacher: Box<dyn Network>,
    objective: Box<dyn Objective>,
    weights: Weights,
    /// The objective's values since the last optimiser step, on the device.
    distances: Vec<Tensor<1>>,
}

impl Distillation {
    /// The teacher is detached here: it never receives a gradient.
    pub fn new(teacher: &dyn Network, objective: Box<dyn Objective>, weights: Weights) -> Self {
        Self {
            teacher: teacher.detached(),
            objective,
            weights,
            distances: Vec::new(),
        }
    }
}

impl Loss for Distillation {
    fn loss(&mut self, network: &dyn Network, batch: &Batch, step: &Step) -> Terms {
        let mut student = network.forward(batch, Mode::Train, &mut Taps::none());
        // A student in half precision meets its teacher in f32.
        student.features = student.features.map(|features| features.cast(DType::F32));
        let teacher = self.teacher.forward(batch, Mode::Eval, &mut Taps::none());
        let teacher = Signals {
            logits: teacher.logits.detach(),
            features: teacher.features.map(Tensor::detach),
            statistics: Vec::new(),
        };
        let device = network.parameters()[0].device().without_autodiff();
        let rows = batch.labels.len();
        let labels =
            Tensor::<1, Int>::from_data(TensorData::new(batch.labels.clone(), [rows]), &device);
        let view = View {
            mask: labels.clone().not_equal_elem(IGNORE),
            labels: labels.clone(),
            student: &student,
            teacher: &teacher,
            samples: &batch.samples,
            step,
        };
        let distance = self.objective.loss(&view);
        self.distances.push(distance.clone().detach());
        let mut parts = vec![("distance", distance.clone().detach())];
        let mut total = distance * self.weights.teacher;
        if self.weights.labels != 0.0 {
            let hard = cross_entropy(student.logits.clone(), labels);
            parts.push(("cross_entropy", hard.clone().detach()));
            total = total + hard * self.weights.labels;
        }
        Terms {
            total,
            parts,
            statistics: student.statistics,
        }
    }

    fn observe(&mut self, _loss: f64, step: &Step) {
        let count = self.distances.len().max(1) as f64;
        let sum: f64 = self
            .distances
            .drain(..)
            .map(|distance| f64::from(distance.into_scalar::<f32>()))
            .sum();
        self.objective.observe(sum / count, step);
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        self.objective.scalars()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.objective.parameters_mut()
    }

    fn state(&self) -> serde_json::Value {
        self.objective.state()
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
        self.objective.restore(state)
    }
}
