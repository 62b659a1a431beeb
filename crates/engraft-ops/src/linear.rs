//! A linear layer with weights as the Hugging Face files hold them.

use burn::tensor::Tensor;

/// `x · weightᵀ + bias`: `x` `[rows, in]`, `weight` `[out, in]`, `bias` `[out]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let out = x.matmul(weight.transpose());
    match bias {
        Some(bias) => out + bias.unsqueeze(),
        None => out,
    }
}
