//! Convolution of small images.

use burn::tensor::{Tensor, ops::ConvOptions};

use crate::{conv_kernel, node::Input};

/// `x` `[batch, in, height, width]` with `weight` `[out, in, kernel height, kernel width]`, the same
/// `stride` and zero `padding` both ways; `[batch, out, (height + 2 padding - kernel) / stride + 1,
/// ..]`.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    match (Input::of(&x), Input::of(&weight)) {
        (Some(x), Some(weight)) => conv_kernel::conv2d([x, weight], stride, padding),
        _ => composed(x, weight, stride, padding),
    }
}

/// [`conv2d`] with Burn's own operations: every backend, every element type.
pub fn composed(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    burn::tensor::module::conv2d(x, weight, None, options)
}
