//! Activations with what usually stands before them.

use burn::tensor::{Tensor, activation};

/// GELU (tanh form, as GPT-2) of `x + bias`. `x` `[rows, width]`, `bias` `[width]`.
pub fn gelu(x: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let x = match bias {
        Some(bias) => x + bias.unsqueeze(),
        None => x,
    };
    activation::gelu_approximate(x)
}

/// `silu(gate) * up`, the gated MLP of the Llama family. Both `[rows, width]`.
pub fn silu_gate(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    activation::silu(gate) * up
}
