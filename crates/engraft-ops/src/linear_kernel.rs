//! Linear layers on CPU slices: the weight is read transposed by strides, and a frozen input or
//! weight costs no product on the way back.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::flex::{column_sums, contiguous, copies, each, rows_per_task, tensor, values};
use crate::matrix::{Matrix, Target, Threads, multiply, product};
use crate::node::{Input, Saved, run};

pub(crate) fn linear(inputs: [Input; 2]) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let [x, weight] = inputs.map(contiguous);
        (forward(&x, &weight, None), Product { x, weight })
    })
}

pub(crate) fn linear_bias(inputs: [Input; 3]) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let [x, weight, bias] = inputs.map(contiguous);
        let output = forward(&x, &weight, Some(&bias));
        (output, Biased(Product { x, weight }))
    })
}

/// A `[rows, columns]` tensor as a matrix.
pub(crate) fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let shape = tensor.layout().shape();
    Matrix::new(values(tensor), [shape[0], shape[1]])
}

/// `x · weightᵀ + bias`.
pub(crate) fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> FlexTensor {
    let shape = [x.layout().shape()[0], weight.layout().shape()[0]];
    let Some(bias) = bias else {
        return tensor(product(matrix(x), matrix(weight).t()), shape);
    };
    assert_eq!(values(bias).len(), shape[1], "one bias for every output");
    let mut out = copies(values(bias), shape[0]);
    let target = Target::new(&mut out, shape).add();
    multiply(target, 1.0, matrix(x), matrix(weight).t(), Threads::Pool);
    tensor(out, shape)
}

/// Every row becomes `row`.
pub(crate) fn fill_rows(out: &mut [f32], row: &[f32]) {
    let width = row.len().max(1);
    let task = rows_per_task(out.len() / width, width) * width;
    each(out.chunks_mut(task).collect(), |part| {
        part.chunks_exact_mut(width)
            .for_each(|to| to.copy_from_slice(row));
    });
}

#[derive(Clone, Debug)]
struct Product {
    x: FlexTensor,
    weight: FlexTensor,
}

impl Product {
    fn gradients(&self, upstream: &FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let (x, weight, up) = (matrix(&self.x), matrix(&self.weight), matrix(upstream));
        let shape = |tensor: &FlexTensor| tensor.layout().shape().clone();
        [
            needed[0].then(|| tensor(product(up, weight), shape(&self.x))),
            needed[1].then(|| tensor(product(up.t(), x), shape(&self.weight))),
        ]
    }
}

impl Saved<2> for Product {
    fn backward(self, upstream: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        self.gradients(&contiguous(upstream), needed)
    }
}

#[derive(Clone, Debug)]
struct Biased(Product);

impl Saved<3> for Biased {
    fn backward(self, upstream: FlexTensor, needed: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let upstream = contiguous(upstream);
        let [dx, dw] = self.0.gradients(&upstream, [needed[0], needed[1]]);
        let out = self.0.weight.layout().shape()[0];
        let db = needed[2].then(|| tensor(column_sums(values(&upstream), out), [out]));
        [dx, dw, db]
    }
}
