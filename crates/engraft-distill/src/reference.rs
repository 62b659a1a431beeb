//! Reference tensors as signals, so that a parity check runs the very objective a user runs.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use engraft_method::parity::{Case, ParityError, Tensor as Numbers};
use engraft_nets::{IGNORE, Logits, Signals};
use engraft_train::Step;

use crate::{Objective, View};

/// Student and teacher rows of a case.
pub(crate) struct Rows {
    pub student: Tensor<2>,
    pub teacher: Tensor<2>,
    pub labels: Vec<i64>,
    pub mask: Vec<bool>,
}

impl Rows {
    /// From the inputs `student` and `teacher`, and `label`, `target` or `mask` where listed.
    pub fn read(case: &Case) -> Result<Self, ParityError> {
        let student = case
            .input("student")
            .or_else(|_| case.input("student_logits"))?;
        let teacher = case
            .input("teacher")
            .or_else(|_| case.input("teacher_logits"))?;
        let rows = student.rows()[0];
        let labels = match case.input("label").or_else(|_| case.input("target")) {
            Ok(labels) => labels.i64(),
            Err(_) => vec![0; rows],
        };
        let mask = match case.input("mask") {
            Ok(mask) => mask.i64().iter().map(|&flag| flag != 0).collect(),
            Err(_) => labels.iter().map(|&label| label != IGNORE).collect(),
        };
        Ok(Self {
            student: matrix(student),
            teacher: matrix(teacher),
            labels,
            mask,
        })
    }

    /// The objective's value and its gradient on the student's logits.
    pub fn evaluate(&self, objective: &mut dyn Objective) -> (f64, Vec<f32>) {
        let student = leaf(&self.student);
        let loss = self.loss(&student, objective);
        (scalar(loss.clone()), gradient(&loss, &student))
    }

    /// The objective's value on these student logits, differentiable.
    pub fn loss(&self, student: &Tensor<2>, objective: &mut dyn Objective) -> Tensor<1> {
        let device = Device::flex();
        let signals = |logits: Tensor<2>| Signals {
            logits: Logits::Full(logits),
            features: None,
            statistics: Vec::new(),
        };
        let rows = self.labels.len();
        objective.loss(&View {
            student: &signals(student.clone()),
            teacher: &signals(self.teacher.clone()),
            labels: Tensor::<1, Int>::from_data(
                TensorData::new(self.labels.clone(), [rows]),
                &device,
            ),
            mask: Tensor::<1, Bool>::from_data(TensorData::new(self.mask.clone(), [rows]), &device),
            samples: &[],
            step: &Step {
                index: 0,
                total: 1,
                task: 0,
            },
        })
    }

    /// Writes `loss<suffix>` and `grad<suffix>` of an objective.
    pub fn answer(
        case: &mut Case,
        suffix: &str,
        objective: &mut dyn Objective,
    ) -> Result<(), ParityError> {
        let (loss, gradient) = Self::read(case)?.evaluate(objective);
        case.output(format!("loss_{suffix}"), [loss]);
        case.output_f32(format!("grad_{suffix}"), &gradient);
        Ok(())
    }
}

/// `[rows, last dimension]` on the CPU.
pub(crate) fn matrix(numbers: &Numbers) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(numbers.f32(), numbers.rows()),
        &Device::flex(),
    )
}

pub(crate) fn gradient<const D: usize>(loss: &Tensor<1>, of: &Tensor<D>) -> Vec<f32> {
    let gradients = loss.backward();
    values(
        of.grad(&gradients)
            .expect("the loss depends on this tensor"),
    )
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("an f32 tensor")
}

pub(crate) fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}

/// A number as the reference tensors are named after it: 0.9 is `09`.
pub(crate) fn digits(number: f64) -> String {
    format!("{number:?}").replace('.', "")
}

/// Features of a case, `[batch, width]` each.
pub(crate) struct Features {
    student: Tensor<2>,
    teacher: Tensor<2>,
}

impl Features {
    pub fn read(case: &Case) -> Result<Self, ParityError> {
        Ok(Self {
            student: matrix(case.input("feat_s")?),
            teacher: matrix(case.input("feat_t")?),
        })
    }

    /// Writes `loss_<name>` and `grad_<name>` of a loss on student and teacher features.
    pub fn answer(
        &self,
        case: &mut Case,
        name: &str,
        loss: impl FnOnce(Tensor<2>, Tensor<2>) -> Tensor<1>,
    ) {
        let student = leaf(&self.student);
        let loss = loss(student.clone(), self.teacher.clone());
        case.output(format!("loss_{name}"), [scalar(loss.clone())]);
        case.output_f32(format!("grad_{name}"), &gradient(&loss, &student));
    }
}

/// A fresh tracked tensor: a graph can be differentiated only once.
pub(crate) fn leaf(plain: &Tensor<2>) -> Tensor<2> {
    plain.clone().autodiff().require_grad()
}
