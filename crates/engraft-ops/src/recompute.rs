//! Activation checkpointing (Chen et al. 2016): a part of a network that keeps only its input, and on
//! the way back is computed again to find its gradients.

use std::{fmt, sync::Arc};

use burn::backend::autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, Flex, flex::FlexTensor};
use burn::tensor::{Gradients as Found, Tensor};

/// A trained parameter of the part.
#[derive(Clone, Debug)]
pub struct Leaf(NodeId);

impl Leaf {
    /// None if the tensor is not tracked on the CPU.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let tensor = tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok()?;
        tensor.is_tracked().then(|| Self(tensor.node().id()))
    }
}

/// Takes the gradient of one fresh parameter out of a backward pass.
pub type TakeGradient = Box<dyn FnOnce(&mut Found) -> Option<FlexTensor>>;

/// The part computed once more, on parameters of its own.
pub struct Again {
    pub output: Tensor<2>,
    /// Takes the gradient of each parameter, in the order of the leaves.
    pub gradients: Vec<TakeGradient>,
}

impl Again {
    /// What takes the gradient of one fresh parameter.
    pub fn gradient<const D: usize>(parameter: Tensor<D>) -> TakeGradient {
        Box::new(move |found| {
            let gradient = parameter.grad_remove(found)?;
            gradient.try_into_primitive::<Flex>().ok()
        })
    }
}

/// How to compute the part from its input `[rows, width]`: once plainly, and once more with a graph.
pub trait Part: Send + Sync + 'static {
    /// The output without a graph.
    fn plain(&self, x: Tensor<2>) -> Tensor<2>;

    /// The output from a tracked input, its trained parameters tracked anew.
    fn again(&self, x: Tensor<2>) -> Again;
}

/// Runs a part on `x`, a tracked `f32` tensor on the CPU; None for any other.
pub fn recompute(x: &Tensor<2>, leaves: Vec<Leaf>, part: Arc<dyn Part>) -> Option<Tensor<2>> {
    let tracked = x.clone().try_into_primitive::<Autodiff<Flex>>().ok()?;
    if !tracked.is_tracked() || x.dtype() != burn::tensor::DType::F32 {
        return None;
    }
    let node = tracked.node();
    let value = tracked.into_primitive();
    let output = part.plain(Tensor::from_primitive::<Flex>(value.clone()));
    let output = output.try_into_primitive::<Flex>().ok()?;
    let saved = Kept {
        x: value,
        leaves,
        part,
    };
    let output = match Step
        .prepare::<NoCheckpointing>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
}

#[derive(Clone)]
struct Kept {
    x: FlexTensor,
    leaves: Vec<Leaf>,
    part: Arc<dyn Part>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("leaves", &self.leaves)
            .finish()
    }
}

#[derive(Debug)]
struct Step;

impl Backward<Flex, 1> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let upstream = gradients.consume::<Flex>(&ops.node);
        let Kept { x, leaves, part } = ops.state;
        let x = Tensor::<2>::from_primitive::<Flex>(x)
            .autodiff()
            .require_grad();
        let again = part.again(x.clone());
        // The sum's gradient on the output is `upstream`: what goes back is the product with it.
        let upstream = Tensor::<2>::from_primitive::<Flex>(upstream);
        let mut found = (again.output * upstream.autodiff()).sum().backward();
        for (leaf, take) in leaves.iter().zip(again.gradients) {
            if let Some(gradient) = take(&mut found) {
                gradients.register::<Flex>(leaf.0, gradient);
            }
        }
        let [parent] = ops.parents;
        let dx = x.grad_remove(&mut found);
        if let (Some(parent), Some(dx)) = (parent, dx)
            && let Ok(dx) = dx.try_into_primitive::<Flex>()
        {
            gradients.register::<Flex>(parent.id, dx);
        }
    }
}
