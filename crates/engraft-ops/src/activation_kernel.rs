//! Activations on CPU slices. Only the inputs are kept: on the way back the activation is computed
//! again, which costs less than reading a second stored copy.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::flex::{
    column_sums, contiguous, each, rows_per_task, tensor, values, values_mut, wide, zeros,
};
use crate::float::{sigmoid, tanh};
use crate::node::{Input, Saved, run};

/// `sqrt(2 / pi)`
const ROOT: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[inline(always)]
fn gelu_value(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(ROOT * (x + CUBIC * x * x * x)))
}

#[inline(always)]
fn gelu_slope(x: f32) -> f32 {
    let t = tanh(ROOT * (x + CUBIC * x * x * x));
    let inner = ROOT * (1.0 + 3.0 * CUBIC * x * x);
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
}

pub(crate) fn gelu(x: Input) -> Tensor<2> {
    run([x], |[x], _| {
        let x = contiguous(x);
        (gelu_forward(&x, None), Plain(x))
    })
}

pub(crate) fn gelu_bias(x: Input, bias: Input) -> Tensor<2> {
    run([x, bias], |inputs, _| {
        let [x, bias] = inputs.map(contiguous);
        (gelu_forward(&x, Some(&bias)), Biased { x, bias })
    })
}

fn gelu_forward(x: &FlexTensor, bias: Option<&FlexTensor>) -> FlexTensor {
    let shape = x.layout().shape().clone();
    let (rows, width) = (shape[0], shape[1]);
    let (x, none) = (values(x), vec![0.0; width]);
    let bias = bias.map_or(none.as_slice(), values);
    assert_eq!(bias.len(), width, "one bias for every column");
    let mut out = zeros(x.len());
    let task = (rows_per_task(rows, width) * width).max(1);
    each(
        out.chunks_mut(task).zip(x.chunks(task)).collect(),
        |(out, x)| {
            wide(
                #[inline(always)]
                || {
                    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        for ((out, x), bias) in out.iter_mut().zip(x).zip(bias) {
                            *out = gelu_value(x + bias);
                        }
                    }
                },
            );
        },
    );
    tensor(out, shape)
}

/// The upstream gradient times the slope, in the upstream's memory where it is ours alone.
fn gelu_backward(x: &FlexTensor, bias: Option<&FlexTensor>, upstream: FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    let (rows, width) = (shape[0], shape[1]);
    let (x, none) = (values(x), vec![0.0; width]);
    let bias = bias.map_or(none.as_slice(), values);
    let mut upstream = contiguous(upstream);
    let all = values_mut(&mut upstream);
    let task = (rows_per_task(rows, width) * width).max(1);
    each(
        all.chunks_mut(task).zip(x.chunks(task)).collect(),
        |(up, x)| {
            wide(
                #[inline(always)]
                || {
                    for (up, x) in up.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        for ((up, x), bias) in up.iter_mut().zip(x).zip(bias) {
                            *up *= gelu_slope(x + bias);
                        }
                    }
                },
            );
        },
    );
    upstream
}

#[derive(Clone, Debug)]
struct Plain(FlexTensor);

impl Saved<1> for Plain {
    fn backward(self, upstream: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(gelu_backward(&self.0, None, upstream))]
    }
}

#[derive(Clone, Debug)]
struct Biased {
    x: FlexTensor,
    bias: FlexTensor,
}

impl Saved<2> for Biased {
    fn backward(self, upstream: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let dx = gelu_backward(&self.x, Some(&self.bias), upstream);
        let width = self.bias.layout().shape()[0];
        let db = needed[1].then(|| tensor(column_sums(values(&dx), width), [width]));
        [Some(dx), db]
    }
}

pub(crate) fn silu_gate(inputs: [Input; 2]) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let [gate, up] = inputs.map(contiguous);
        let (g, u) = (values(&gate), values(&up));
        assert_eq!(g.len(), u.len(), "elements of gate and up");
        let mut out = zeros(g.len());
        let task = rows_per_task(g.len(), 1);
        let parts = out.chunks_mut(task).zip(g.chunks(task)).zip(u.chunks(task));
        each(parts.collect(), |((out, g), u)| {
            wide(
                #[inline(always)]
                || {
                    for ((out, g), u) in out.iter_mut().zip(g).zip(u) {
                        *out = g * sigmoid(*g) * u;
                    }
                },
            );
        });
        let output = tensor(out, gate.layout().shape().clone());
        (output, Gated { gate, up })
    })
}

#[derive(Clone, Debug)]
struct Gated {
    gate: FlexTensor,
    up: FlexTensor,
}

impl Saved<2> for Gated {
    fn backward(self, upstream: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let mut d_gate = contiguous(upstream);
        let mut d_up = zeros(values(&d_gate).len());
        let all = values_mut(&mut d_gate);
        let task = rows_per_task(all.len(), 1);
        let read = values(&self.gate)
            .chunks(task)
            .zip(values(&self.up).chunks(task));
        let write = all.chunks_mut(task).zip(d_up.chunks_mut(task));
        each(write.zip(read).collect(), |((d_gate, d_up), (g, u))| {
            wide(
                #[inline(always)]
                || {
                    let write = d_gate.iter_mut().zip(d_up);
                    for ((d_gate, d_up), (g, u)) in write.zip(g.iter().zip(u)) {
                        let s = sigmoid(*g);
                        *d_up = *d_gate * g * s;
                        *d_gate *= u * s * (1.0 + g * (1.0 - s));
                    }
                },
            );
        });
        let d_up = tensor(d_up, self.up.layout().shape().clone());
        [Some(d_gate), Some(d_up)]
    }
}

pub(crate) fn add_relu(inputs: [Input; 2]) -> Tensor<4> {
    run(inputs, |inputs, _| {
        let [a, b] = inputs.map(contiguous);
        assert_eq!(
            a.layout().shape(),
            b.layout().shape(),
            "shapes of the two sides"
        );
        let (x, y) = (values(&a), values(&b));
        let mut out = zeros(x.len());
        let task = rows_per_task(x.len(), 1);
        let parts = out.chunks_mut(task).zip(x.chunks(task)).zip(y.chunks(task));
        each(parts.collect(), |((out, x), y)| {
            wide(
                #[inline(always)]
                || {
                    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                        let sum = x + y;
                        *out = if sum < 0.0 { 0.0 } else { sum };
                    }
                },
            );
        });
        let output = tensor(out, a.layout().shape().clone());
        (output.clone(), Rectified(output))
    })
}

/// The output: the gradient passes where it is above 0.
#[derive(Clone, Debug)]
struct Rectified(FlexTensor);

impl Saved<2> for Rectified {
    fn backward(self, upstream: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let mut passed = contiguous(upstream);
        let all = values_mut(&mut passed);
        let task = rows_per_task(all.len(), 1);
        let parts = all.chunks_mut(task).zip(values(&self.0).chunks(task));
        each(parts.collect(), |(up, out)| {
            wide(
                #[inline(always)]
                || {
                    for (up, out) in up.iter_mut().zip(out) {
                        *up = if *out > 0.0 { *up } else { 0.0 };
                    }
                },
            );
        });
        [Some(passed.clone()), Some(passed)]
    }
}
