//! A linear layer with weights as the Hugging Face files hold them.

use burn::tensor::Tensor;

use crate::{linear_kernel, node::Input};

/// `x · weightᵀ + bias`: `x` `[rows, in]`, `weight` `[out, in]`, `bias` `[out]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let inputs = (Input::of(&x), Input::of(&weight));
    match (inputs, bias.as_ref().map(Input::of)) {
        ((Some(x), Some(weight)), None) => linear_kernel::linear([x, weight]),
        ((Some(x), Some(weight)), Some(Some(bias))) => {
            linear_kernel::linear_bias([x, weight, bias])
        }
        _ => composed(x, weight, bias),
    }
}

/// [`linear`] with Burn's own operations: every backend, every element type.
pub fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let out = x.matmul(weight.transpose());
    match bias {
        Some(bias) => out + bias.unsqueeze(),
        None => out,
    }
}
