//! A named tensor of a network, of any rank.

use burn::tensor::{Device, Tensor, TensorData};

/// A tensor whose rank is known at run time only.
#[derive(Clone, Debug)]
pub enum Value {
    R1(Tensor<1>),
    R2(Tensor<2>),
    R4(Tensor<4>),
}

/// Runs one expression for whatever rank a [`Value`] has; `$t` is the tensor.
#[macro_export]
macro_rules! each_rank {
    ($value:expr, $t:ident => $body:expr) => {
        match $value {
            $crate::Value::R1($t) => $body,
            $crate::Value::R2($t) => $body,
            $crate::Value::R4($t) => $body,
        }
    };
}

/// The same where the expression gives a tensor of the same rank.
#[macro_export]
macro_rules! map_rank {
    ($value:expr, $t:ident => $body:expr) => {
        match $value {
            $crate::Value::R1($t) => $crate::Value::R1($body),
            $crate::Value::R2($t) => $crate::Value::R2($body),
            $crate::Value::R4($t) => $crate::Value::R4($body),
        }
    };
}

impl Value {
    pub fn dims(&self) -> Vec<usize> {
        each_rank!(self, t => t.dims().to_vec())
    }

    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, row-major, on the host.
    pub fn to_vec(&self) -> Vec<f32> {
        each_rank!(self, t => t.to_data().convert::<f32>().try_into_vec().expect("just converted to f32"))
    }
}

/// What a parameter does: optimisers exempt some roles from weight decay, savers keep them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A matrix or a filter.
    Weight,
    Bias,
    /// The scale or shift of a normalisation.
    Norm,
    Embedding,
    /// A running statistic: saved and loaded, never trained.
    Statistic,
}

/// A named tensor of a network. Names are those of the model's Hugging Face (or torchvision) file.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub role: Role,
    /// Frozen parameters receive no gradient and no optimiser state.
    pub trainable: bool,
    pub value: Value,
}

impl Parameter {
    pub fn new(name: impl Into<String>, role: Role, value: Value) -> Self {
        Self {
            name: name.into(),
            role,
            trainable: role != Role::Statistic,
            value,
        }
    }

    /// A weight `[rows, columns]` of these numbers.
    ///
    /// # Panics
    /// If there are more or fewer numbers than the shape has.
    pub fn matrix(
        name: impl Into<String>,
        numbers: Vec<f32>,
        shape: [usize; 2],
        device: &Device,
    ) -> Self {
        let tensor = Tensor::from_data(TensorData::new(numbers, shape), device);
        Self::new(name, Role::Weight, Value::R2(tensor))
    }

    /// The tensor of rank 1. Panics if it is of another rank: that is a mistake in the network.
    pub fn r1(&self) -> Tensor<1> {
        match &self.value {
            Value::R1(t) => t.clone(),
            other => panic!(
                "{} has shape {:?}, not one dimension",
                self.name,
                other.dims()
            ),
        }
    }

    /// The tensor of rank 2, as [`Parameter::r1`].
    pub fn r2(&self) -> Tensor<2> {
        match &self.value {
            Value::R2(t) => t.clone(),
            other => panic!(
                "{} has shape {:?}, not two dimensions",
                self.name,
                other.dims()
            ),
        }
    }

    /// The tensor of rank 4, as [`Parameter::r1`].
    pub fn r4(&self) -> Tensor<4> {
        match &self.value {
            Value::R4(t) => t.clone(),
            other => panic!(
                "{} has shape {:?}, not four dimensions",
                self.name,
                other.dims()
            ),
        }
    }

    /// A value of this parameter's shape, on its device, of these numbers.
    ///
    /// # Panics
    /// If there are more or fewer numbers than the shape has.
    pub fn holding(&self, numbers: Vec<f32>) -> Value {
        let (shape, device) = (self.value.dims(), self.device());
        let data = TensorData::new(numbers, shape);
        match self.value {
            Value::R1(_) => Value::R1(Tensor::from_data(data, &device)),
            Value::R2(_) => Value::R2(Tensor::from_data(data, &device)),
            Value::R4(_) => Value::R4(Tensor::from_data(data, &device)),
        }
    }

    pub fn device(&self) -> Device {
        each_rank!(&self.value, t => t.device())
    }
}
