//! AdamW in one pass over the parameter's memory.

use burn::backend::{Flex, flex::FlexTensor};
use burn::optim::{AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor};

use crate::flex::{contiguous, each, rows_per_task, tensor, values, values_mut, wide, zeros};

/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019), numbers as in PyTorch.
///
/// For `f32` on the CPU the parameter and both moments are updated in place where the caller hands
/// over the only handle of them; everything else goes through Burn's own AdamW. The state is
/// Burn's, so either can continue the other's run.
#[derive(Clone, Debug)]
pub struct AdamW {
    pub beta_1: f32,
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// The parameter shrinks by `lr * weight_decay` a step.
    pub weight_decay: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let moments = state.as_ref().map(|state| &state.momentum);
        let in_place = is_plain(&tensor)
            && is_plain(&grad)
            && moments.is_none_or(|held| {
                is_plain(&held.moment_1) && is_plain(&held.moment_2) && held.max_moment_2.is_none()
            });
        if in_place {
            self.step_in_place(lr, tensor, grad, state)
        } else {
            self.composed().step(lr, tensor, grad, state)
        }
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

impl AdamW {
    /// The same rule made of Burn's own operations.
    pub fn composed(&self) -> burn::optim::AdamW {
        AdamWConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay)
            .build()
    }

    fn step_in_place<const D: usize>(
        &self,
        lr: LearningRate,
        value: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let mut value = primitive(value);
        let grad = primitive(grad);
        let (time, mut first, mut second) = match state.map(|state| state.momentum) {
            Some(held) => (
                held.time,
                primitive(held.moment_1),
                primitive(held.moment_2),
            ),
            None => {
                let fresh = || tensor(zeros(values(&grad).len()), grad.layout().shape().clone());
                (0, fresh(), fresh())
            }
        };
        let time = time + 1;
        let rule = Rule::new(self, lr, time);
        rule.update(
            values_mut(&mut value),
            values(&grad),
            values_mut(&mut first),
            values_mut(&mut second),
        );
        let wrap = |primitive| Tensor::from_primitive::<Flex>(primitive);
        let momentum = AdaptiveMomentumState::new(time, wrap(first), wrap(second));
        (wrap(value), Some(AdamWState::new(momentum)))
    }
}

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rule {
    keep: f32,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    /// The learning rate over the first moment's bias correction.
    rate: f32,
    /// One over the root of the second moment's bias correction.
    root: f32,
}

impl Rule {
    fn new(adamw: &AdamW, lr: f64, time: usize) -> Self {
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(time as i32);
        Self {
            keep: (1.0 - lr * f64::from(adamw.weight_decay)) as f32,
            beta_1: adamw.beta_1,
            beta_2: adamw.beta_2,
            epsilon: adamw.epsilon,
            rate: (lr / correction(adamw.beta_1)) as f32,
            root: (1.0 / correction(adamw.beta_2).sqrt()) as f32,
        }
    }

    fn update(self, value: &mut [f32], grad: &[f32], first: &mut [f32], second: &mut [f32]) {
        let task = rows_per_task(value.len(), 1);
        let moments = first.chunks_mut(task).zip(second.chunks_mut(task));
        let pairs = value.chunks_mut(task).zip(grad.chunks(task));
        each(
            pairs.zip(moments).collect(),
            |((value, grad), (first, second))| {
                wide(
                    #[inline(always)]
                    || {
                        let moments = first.iter_mut().zip(second);
                        for ((value, g), (m, v)) in value.iter_mut().zip(grad).zip(moments) {
                            *m = self.beta_1 * *m + (1.0 - self.beta_1) * g;
                            *v = self.beta_2 * *v + (1.0 - self.beta_2) * g * g;
                            let size = v.sqrt() * self.root + self.epsilon;
                            *value = *value * self.keep - self.rate * *m / size;
                        }
                    },
                );
            },
        );
    }
}

fn is_plain<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.clone().try_into_primitive::<Flex>().is_ok()
}

/// Callers made sure that it is one.
fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    contiguous(
        tensor
            .try_into_primitive::<Flex>()
            .expect("a plain tensor on the CPU"),
    )
}
