//! Batch norm in training, with the ReLU that usually follows.

use burn::tensor::{Tensor, activation::relu as rectify};

use crate::{
    batch_norm_kernel,
    half::{is_half, widened},
    node::Input,
};

/// Normalises every channel of `x` `[batch, channels, height, width]` by its own mean and variance
/// over the batch, then `* weight + bias` (`[channels]` each), then ReLU if asked.
///
/// Also answers the mean and the biased variance (divided by the count), `[channels]` each and
/// detached, for running statistics.
pub fn batch_norm(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
    relu: bool,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    if is_half(&x) {
        let dtype = x.dtype();
        let (y, mean, var) = batch_norm(widened(x), widened(weight), widened(bias), eps, relu);
        return (y.cast(dtype), mean, var);
    }
    match (Input::of(&x), Input::of(&weight), Input::of(&bias)) {
        (Some(input), Some(weight), Some(bias)) => {
            let (y, mean, var) =
                batch_norm_kernel::batch_norm([input, weight, bias], eps as f32, relu);
            if x.device().is_autodiff() {
                (y, mean.autodiff(), var.autodiff())
            } else {
                (y, mean, var)
            }
        }
        _ => composed(x, weight, bias, eps, relu),
    }
}

/// [`batch_norm`] with Burn's own operations: every backend, every element type.
pub fn composed(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
    relu: bool,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let channels = x.dims()[1];
    let wide = [1, channels, 1, 1];
    let mean = x.clone().mean_dims(&[0, 2, 3]);
    let centred = x - mean.clone();
    let var = centred.clone().square().mean_dims(&[0, 2, 3]);
    let y = centred / (var.clone() + eps).sqrt() * weight.reshape(wide) + bias.reshape(wide);
    let y = if relu { rectify(y) } else { y };
    let flat = |x: Tensor<4>| x.reshape([channels]).detach();
    (y, flat(mean), flat(var))
}
