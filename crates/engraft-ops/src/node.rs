//! One step of the autodiff graph whose forward and backward are ours: the only place that knows
//! Burn's backend extension interface.

use burn::backend::autodiff::{
    checkpoint::{
        base::Checkpointer,
        strategy::{BalancedCheckpointing, CheckpointStrategy, NoCheckpointing},
    },
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, Flex, flex::FlexTensor, tensor::FloatTensor};
use burn::tensor::{Bool, DType, Int, Tensor};
use std::fmt::Debug;

use crate::flex::contiguous;

/// A tensor with its place in the graph; the same type whatever the checkpointing strategy.
type Tracked = FloatTensor<Autodiff<Flex>>;

/// What a forward pass keeps and how it goes back. No second derivative.
pub(crate) trait Saved<const N: usize>: Clone + Debug + Send + 'static {
    /// Gradients of the inputs; `needed` says which are asked for. `upstream` may be a view.
    fn backward(self, upstream: FlexTensor, needed: [bool; N]) -> [Option<FlexTensor>; N];
}

/// Which of Burn's backends a tensor came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Plain,
    Autodiff,
    Checkpointed,
}

/// An `f32` tensor on the CPU that a fused operation can read.
pub(crate) struct Input {
    tensor: Tracked,
    context: Context,
}

impl Input {
    /// None for any other device or element type: use the composed form.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        if let Ok(primitive) = tensor.clone().try_into_primitive::<Flex>() {
            return Some(Self {
                tensor: Tracked::new(primitive),
                context: Context::Plain,
            });
        }
        if let Ok(tensor) = tensor.clone().try_into_primitive::<Autodiff<Flex>>() {
            return Some(Self {
                tensor,
                context: Context::Autodiff,
            });
        }
        type Checkpointed = Autodiff<Flex, BalancedCheckpointing>;
        let tensor = tensor.clone().try_into_primitive::<Checkpointed>().ok()?;
        Some(Self {
            tensor,
            context: Context::Checkpointed,
        })
    }

    /// The values without their place in the graph; possibly a view.
    pub fn detached(self) -> FlexTensor {
        self.tensor.into_primitive()
    }
}

/// The values of integers on the CPU.
pub(crate) fn integers(tensor: &Tensor<1, Int>) -> Option<Vec<i64>> {
    let primitive = tensor.clone().try_into_primitive::<Flex>().ok();
    let primitive = primitive.or_else(|| {
        let tensor = tensor.clone();
        tensor.try_into_primitive::<Autodiff<Flex>>().ok()
    })?;
    let primitive = contiguous(primitive);
    match primitive.dtype() {
        DType::I64 => Some(primitive.as_slice::<i64>()?.to_vec()),
        DType::I32 => Some(
            primitive
                .as_slice::<i32>()?
                .iter()
                .map(|&id| i64::from(id))
                .collect(),
        ),
        _ => None,
    }
}

/// The values of flags on the CPU.
pub(crate) fn flags(tensor: &Tensor<1, Bool>) -> Option<Vec<bool>> {
    let primitive = tensor.clone().try_into_primitive::<Flex>().ok();
    let primitive = primitive.or_else(|| {
        let tensor = tensor.clone();
        tensor.try_into_primitive::<Autodiff<Flex>>().ok()
    })?;
    let data = contiguous(primitive).into_data();
    Some(data.iter::<bool>().collect())
}

/// Runs `forward` on the inputs' values (possibly views) and enters its result into the graph.
///
/// `forward` is told which inputs need a gradient; if none does, what it saves is dropped.
pub(crate) fn run<const N: usize, const D: usize, S: Saved<N>>(
    inputs: [Input; N],
    forward: impl FnOnce([FlexTensor; N], [bool; N]) -> (FlexTensor, S),
) -> Tensor<D> {
    let context = inputs
        .iter()
        .map(|input| input.context)
        .find(|&context| context != Context::Plain)
        .unwrap_or(Context::Plain);
    match context {
        Context::Plain => {
            let values = inputs.map(Input::detached);
            Tensor::from_primitive::<Flex>(forward(values, [false; N]).0)
        }
        Context::Autodiff => {
            Tensor::from_primitive::<Autodiff<Flex>>(tracked::<N, NoCheckpointing, S>(
                inputs, forward,
            ))
        }
        Context::Checkpointed => {
            Tensor::from_primitive::<Autodiff<Flex, BalancedCheckpointing>>(tracked::<
                N,
                BalancedCheckpointing,
                S,
            >(
                inputs, forward
            ))
        }
    }
}

fn tracked<const N: usize, C: CheckpointStrategy, S: Saved<N>>(
    inputs: [Input; N],
    forward: impl FnOnce([FlexTensor; N], [bool; N]) -> (FlexTensor, S),
) -> Tracked {
    let needed = inputs.each_ref().map(|input| input.tensor.is_tracked());
    let nodes = inputs.each_ref().map(|input| input.tensor.node());
    let values = inputs.map(Input::detached);
    let (output, saved) = forward(values, needed);
    match Step(std::marker::PhantomData)
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Debug)]
struct Step<S>(std::marker::PhantomData<S>);

impl<const N: usize, S: Saved<N>> Backward<Flex, N> for Step<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let upstream = gradients.consume::<Flex>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = ops.state.backward(upstream, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
