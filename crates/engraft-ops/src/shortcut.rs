//! The shortcut without parameters of the CIFAR residual networks (He et al. 2016, option A).

use burn::tensor::{Tensor, module::avg_pool2d, ops::AvgPoolOptions};

use crate::{node::Input, shortcut_kernel};

/// Every second pixel of `x` `[batch, in, height, width]`, with channels of zeros on both sides:
/// `[batch, out, (height + 1) / 2, (width + 1) / 2]`. The side before gets `(out - in) / 2` of them.
///
/// # Panics
/// If there are fewer channels out than in.
pub fn shortcut(x: Tensor<4>, out: usize) -> Tensor<4> {
    let channels = x.dims()[1];
    assert!(out >= channels, "{channels} channels do not fit {out}");
    match Input::of(&x) {
        Some(x) => shortcut_kernel::shortcut(x, out),
        None => composed(x, out),
    }
}

/// [`shortcut`] with Burn's own operations: every backend, every element type.
pub fn composed(x: Tensor<4>, out: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    // An average over one pixel at stride 2 is every second pixel.
    let small = avg_pool2d(x, AvgPoolOptions::new([1, 1]).with_stride([2, 2]));
    let before = (out - channels) / 2;
    let side = |channels: usize| {
        let shape = [batch, channels, height.div_ceil(2), width.div_ceil(2)];
        Tensor::zeros(shape, (&small.device(), small.dtype()))
    };
    let sides = [side(before), side(out - channels - before)];
    let [first, last] = sides;
    Tensor::cat(vec![first, small, last], 1)
}
