//! Layer norm and RMS norm over the last dimension.

use burn::tensor::Tensor;

use crate::{
    half::{is_half, widened},
    node::Input,
    norm_kernel,
};

/// `(x - mean) / sqrt(var + eps) * weight + bias`; `x` `[rows, width]`.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    if is_half(&x) {
        let dtype = x.dtype();
        let bias = bias.map(widened);
        return layer_norm(widened(x), widened(weight), bias, eps).cast(dtype);
    }
    let inputs = (Input::of(&x), Input::of(&weight));
    match (inputs, bias.as_ref().map(Input::of)) {
        ((Some(x), Some(weight)), None) => norm_kernel::norm([x, weight], true, eps),
        ((Some(x), Some(weight)), Some(Some(bias))) => {
            norm_kernel::norm_bias([x, weight, bias], eps)
        }
        _ => composed_layer_norm(x, weight, bias, eps),
    }
}

/// [`layer_norm`] with Burn's own operations: every backend, every element type.
pub fn composed_layer_norm(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<2> {
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let var = centred.clone().square().mean_dim(1);
    let out = centred / (var + eps).sqrt() * weight.unsqueeze();
    match bias {
        Some(bias) => out + bias.unsqueeze(),
        None => out,
    }
}

/// `x / sqrt(mean(x²) + eps) * weight`; `x` `[rows, width]`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    if is_half(&x) {
        let dtype = x.dtype();
        return rms_norm(widened(x), widened(weight), eps).cast(dtype);
    }
    match (Input::of(&x), Input::of(&weight)) {
        (Some(x), Some(weight)) => norm_kernel::norm([x, weight], false, eps),
        _ => composed_rms_norm(x, weight, eps),
    }
}

/// [`rms_norm`] with Burn's own operations: every backend, every element type.
pub fn composed_rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let scale = (x.clone().square().mean_dim(1) + eps).sqrt();
    x / scale * weight.unsqueeze()
}
