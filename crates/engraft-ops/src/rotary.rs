//! Rotary position embedding (Su et al. 2021), the half-split form of the Hugging Face models.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::attention_kernel::{forward_strides, interleaved};
use crate::flex::{contiguous, each, rows_per_task, values, wide, zeros};
use crate::node::{Input, Saved, run};

/// Turns element `i` and `i + width/2` of every head by the angle of its token.
///
/// `x` `[batch, heads, tokens, width]`; `cos`, `sin` `[tokens, width/2]`, without gradient.
pub fn rotary(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<4> {
    match (Input::of(&x), Input::of(&cos), Input::of(&sin)) {
        (Some(input), Some(cos), Some(sin)) => {
            let [cos, sin] = [cos, sin].map(|table| contiguous(table.detached()));
            let turn = Turn { cos, sin };
            run([input], |[x], _| {
                (turn.apply(&forward_strides(x), 1.0), turn)
            })
        }
        _ => composed(x, cos, sin),
    }
}

/// [`rotary`] with Burn's own operations: every backend, every element type.
pub fn composed(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let (cos, sin) = (cos.detach().unsqueeze::<4>(), sin.detach().unsqueeze::<4>());
    let (a, b) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let first = a.clone() * cos.clone() - b.clone() * sin.clone();
    Tensor::cat(vec![first, b * cos + a * sin], 3)
}

#[derive(Clone, Debug)]
struct Turn {
    cos: FlexTensor,
    sin: FlexTensor,
}

impl Saved<1> for Turn {
    fn backward(self, upstream: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.apply(&forward_strides(upstream), -1.0))]
    }
}

impl Turn {
    /// Turned by the angle times `direction`.
    fn apply(&self, x: &FlexTensor, direction: f32) -> FlexTensor {
        let layout = x.layout();
        let dims: [usize; 4] = std::array::from_fn(|dim| layout.shape()[dim]);
        let [batch, heads, tokens, width] = dims;
        let strides: [usize; 4] = std::array::from_fn(|dim| layout.strides()[dim] as usize);
        let (start, all, half) = (layout.start_offset(), x.storage::<f32>(), width / 2);
        let mut out = zeros(batch * heads * tokens * width);
        let row = (heads * width).max(1);
        let task = rows_per_task(batch * tokens, row);
        let tasks = out.chunks_mut(task * row).enumerate().collect();
        each(tasks, |(index, out): (usize, &mut [f32])| {
            for (i, out) in out.chunks_exact_mut(row).enumerate() {
                let (item, token) = ((index * task + i) / tokens, (index * task + i) % tokens);
                let cos = &values(&self.cos)[token * half..(token + 1) * half];
                let sin = &values(&self.sin)[token * half..(token + 1) * half];
                let first = start + item * strides[0] + token * strides[2];
                wide(
                    #[inline(always)]
                    || {
                        for (head, out) in out.chunks_exact_mut(width).enumerate() {
                            let x = &all[first + head * strides[1]..];
                            let (low, high) = out.split_at_mut(half);
                            for i in 0..half {
                                let (a, b) = (x[i * strides[3]], x[(i + half) * strides[3]]);
                                let (cos, sin) = (cos[i], sin[i] * direction);
                                low[i] = a * cos - b * sin;
                                high[i] = b * cos + a * sin;
                            }
                        }
                    },
                );
            }
        });
        interleaved(out, dims)
    }
}
