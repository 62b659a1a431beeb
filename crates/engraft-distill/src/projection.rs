//! A trained linear map from one network's features to another space.

use burn::tensor::{Device, Tensor, TensorData};
use engraft_nets::{Parameter, Role, Value};
use engraft_ops::linear;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `W f + b`, `[batch, from]` to `[batch, to]`.
pub(crate) struct Projection {
    weight: Parameter,
    bias: Parameter,
}

impl Projection {
    /// Uniform in `±1/sqrt(from)`, as linear layers usually start.
    pub fn new(name: &str, from: usize, to: usize, seed: u64) -> Self {
        let bound = 1.0 / (from.max(1) as f32).sqrt();
        let draw = |part: &str, count: usize| -> Vec<f32> {
            let mut rng = ChaCha8Rng::seed_from_u64(keyed_seed(seed, &format!("{name}.{part}")));
            (0..count)
                .map(|_| rng.random_range(-bound..bound))
                .collect()
        };
        let device = Device::flex();
        let weight = TensorData::new(draw("weight", to * from), [to, from]);
        let bias = TensorData::new(draw("bias", to), [to]);
        Self {
            weight: Parameter::new(
                format!("{name}.weight"),
                Role::Weight,
                Value::R2(Tensor::from_data(weight, &device)),
            ),
            bias: Parameter::new(
                format!("{name}.bias"),
                Role::Bias,
                Value::R1(Tensor::from_data(bias, &device)),
            ),
        }
    }

    pub fn apply(&self, features: Tensor<2>) -> Tensor<2> {
        let device = features.device();
        let bias = self.bias.r1().to_device(&device);
        linear(features, self.weight.r2().to_device(&device), Some(bias))
    }

    pub fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.weight, &mut self.bias]
    }
}

/// A seed for one purpose, independent of call order.
pub(crate) fn keyed_seed(seed: u64, purpose: &str) -> u64 {
    let digest = blake3::hash(format!("{seed} {purpose}").as_bytes());
    u64::from_le_bytes(
        digest.as_bytes()[..8]
            .try_into()
            .expect("a digest of 32 bytes"),
    )
}
