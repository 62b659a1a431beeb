//! Activation checkpointing of a block: its parameters as the operation below wants them.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_ops::recompute::{Again, Leaf, Part};

use crate::{Parameter, each_rank, map_rank};

/// A piece of a network that can be computed more than once.
pub(crate) trait Recomputed: Send + Sync + 'static {
    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;

    /// From `[rows, width]`; must not depend on anything but `x` and the parameters.
    fn run(&self, x: Tensor<2>) -> Tensor<2>;
}

/// Runs a piece on `x`, keeping only `x`; None where the device cannot.
pub(crate) fn recompute<R: Recomputed + Clone>(x: &Tensor<2>, mut piece: R) -> Option<Tensor<2>> {
    let trains = piece.parameters_mut().iter().any(|p| p.trainable);
    if !trains && !x.is_tracked() {
        return None;
    }
    // An input that nothing before it trains: only a tracked one is visited on the way back.
    let x = match x.is_tracked() {
        true => x.clone(),
        false => x.clone().inner().autodiff().require_grad(),
    };
    let trained = piece.parameters_mut().into_iter().filter(|p| p.trainable);
    let leaves: Option<Vec<Leaf>> = trained
        .map(|parameter| each_rank!(&parameter.value, t => Leaf::of(t)))
        .collect();
    let leaves = leaves?;
    for parameter in piece.parameters_mut() {
        parameter.value = map_rank!(parameter.value.clone(), t => t.inner());
    }
    engraft_ops::recompute(&x, leaves, Arc::new(Plain(piece)))
}

/// A piece whose parameters are plain.
struct Plain<R>(R);

impl<R: Recomputed + Clone> Part for Plain<R> {
    fn plain(&self, x: Tensor<2>) -> Tensor<2> {
        self.0.run(x)
    }

    fn again(&self, x: Tensor<2>) -> Again {
        let mut piece = self.0.clone();
        let mut gradients = Vec::new();
        for parameter in piece.parameters_mut() {
            let trained = parameter.trainable;
            parameter.value = map_rank!(parameter.value.clone(), t =>
                t.autodiff().set_require_grad(trained));
            if trained {
                gradients.push(each_rank!(&parameter.value, t => Again::gradient(t.clone())));
            }
        }
        Again {
            output: piece.run(x),
            gradients,
        }
    }
}
