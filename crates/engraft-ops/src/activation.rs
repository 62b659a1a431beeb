//! Activations with what usually stands before them.

use burn::tensor::{Tensor, activation};

use crate::{
    activation_kernel,
    half::{is_half, widened},
    node::Input,
};

/// GELU (tanh form, as GPT-2) of `x + bias`. `x` `[rows, width]`, `bias` `[width]`.
pub fn gelu(x: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    if is_half(&x) {
        let dtype = x.dtype();
        return gelu(widened(x), bias.map(widened)).cast(dtype);
    }
    match (Input::of(&x), bias.as_ref().map(Input::of)) {
        (Some(x), None) => activation_kernel::gelu(x),
        (Some(x), Some(Some(bias))) => activation_kernel::gelu_bias(x, bias),
        _ => composed_gelu(x, bias),
    }
}

/// [`gelu`] with Burn's own operations: every backend, every element type.
pub fn composed_gelu(x: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let x = match bias {
        Some(bias) => x + bias.unsqueeze(),
        None => x,
    };
    activation::gelu_approximate(x)
}

/// `silu(gate) * up`, the gated MLP of the Llama family. Both `[rows, width]`.
pub fn silu_gate(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if is_half(&gate) {
        let dtype = gate.dtype();
        return silu_gate(widened(gate), widened(up)).cast(dtype);
    }
    match (Input::of(&gate), Input::of(&up)) {
        (Some(gate), Some(up)) => activation_kernel::silu_gate([gate, up]),
        _ => composed_silu_gate(gate, up),
    }
}

/// [`silu_gate`] with Burn's own operations: every backend, every element type.
pub fn composed_silu_gate(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    activation::silu(gate) * up
}

/// `max(a + b, 0)`, the end of a residual block; both `[batch, channels, height, width]`.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    match (Input::of(&a), Input::of(&b)) {
        (Some(a), Some(b)) => activation_kernel::add_relu([a, b]),
        _ => composed_add_relu(a, b),
    }
}

/// [`add_relu`] with Burn's own operations: every backend, every element type.
pub fn composed_add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    activation::relu(a + b)
}
