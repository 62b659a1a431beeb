//! First weights, keyed by (seed, parameter name): the same whatever else is drawn.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Parameter, Role, Value};

/// Makes the parameters of one network.
pub(crate) struct Init<'a> {
    /// Nothing: all matrices are zeros, for weights that are loaded next.
    pub seed: Option<u64>,
    pub device: &'a Device,
}

impl Init<'_> {
    /// Normal with mean 0; `[rows, columns]`.
    pub fn matrix(&self, name: String, role: Role, shape: [usize; 2], std: f32) -> Parameter {
        let value = Value::R2(self.tensor(self.normal(&name, shape.iter().product(), std), shape));
        Parameter::new(name, role, value)
    }

    /// Normal with mean 0; `[out, in, height, width]`.
    pub fn filters(&self, name: String, shape: [usize; 4], std: f32) -> Parameter {
        let value = Value::R4(self.tensor(self.normal(&name, shape.iter().product(), std), shape));
        Parameter::new(name, Role::Weight, value)
    }

    /// One number everywhere; `[length]`.
    pub fn constant(&self, name: String, role: Role, length: usize, number: f32) -> Parameter {
        let value = Value::R1(self.tensor(vec![number; length], [length]));
        Parameter::new(name, role, value)
    }

    fn tensor<const D: usize>(&self, numbers: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(numbers, shape), self.device)
    }

    fn normal(&self, name: &str, count: usize, std: f32) -> Vec<f32> {
        let Some(seed) = self.seed else {
            return vec![0.0; count];
        };
        let digest = blake3::hash(format!("{seed} {name}").as_bytes());
        let mut rng = ChaCha8Rng::from_seed(*digest.as_bytes());
        let mut numbers = Vec::with_capacity(count + 1);
        while numbers.len() < count {
            // Box and Muller: two normals from two uniforms.
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * rng.random::<f64>();
            numbers.push((radius * angle.cos()) as f32 * std);
            numbers.push((radius * angle.sin()) as f32 * std);
        }
        numbers.truncate(count);
        numbers
    }
}
