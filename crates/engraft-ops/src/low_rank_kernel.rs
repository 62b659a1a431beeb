//! A linear layer with a low-rank addition on CPU slices: the addition goes straight into the output
//! of the big product, and on the way back into its gradient.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::flex::{column_sums, contiguous, tensor, values};
use crate::linear_kernel::{forward, matrix};
use crate::matrix::{Matrix, Target, Threads, multiply, product};
use crate::node::{Input, Saved, run};

pub(crate) fn low_rank(inputs: [Input; 4], factor: f32) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let inputs = inputs.map(contiguous);
        Product::forward(inputs, None, factor)
    })
}

pub(crate) fn low_rank_bias(inputs: [Input; 5], factor: f32) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let [x, weight, a, b, bias] = inputs.map(contiguous);
        let (output, product) = Product::forward([x, weight, a, b], Some(&bias), factor);
        (output, Biased(product))
    })
}

#[derive(Clone, Debug)]
struct Product {
    x: FlexTensor,
    weight: FlexTensor,
    a: FlexTensor,
    b: FlexTensor,
    /// `x · aᵀ`, `[rows, rank]`.
    inner: FlexTensor,
    factor: f32,
}

impl Product {
    fn forward(
        [x, weight, a, b]: [FlexTensor; 4],
        bias: Option<&FlexTensor>,
        factor: f32,
    ) -> (FlexTensor, Self) {
        let mut out = forward(&x, &weight, bias);
        let (rows, rank) = (x.layout().shape()[0], a.layout().shape()[0]);
        let inner = tensor(product(matrix(&x), matrix(&a).t()), [rows, rank]);
        let shape = [rows, weight.layout().shape()[0]];
        let target = Target::new(crate::flex::values_mut(&mut out), shape).add();
        multiply(
            target,
            factor,
            matrix(&inner),
            matrix(&b).t(),
            Threads::Pool,
        );
        let product = Self {
            x,
            weight,
            a,
            b,
            inner,
            factor,
        };
        (out, product)
    }

    fn gradients(&self, upstream: &FlexTensor, needed: [bool; 4]) -> [Option<FlexTensor>; 4] {
        let shape = |tensor: &FlexTensor| tensor.layout().shape().clone();
        let (up, x) = (matrix(upstream), matrix(&self.x));
        let [rows, rank] = [shape(&self.x)[0], shape(&self.a)[0]];
        // How the loss changes with `x · aᵀ`.
        let mut slope = vec![0.0; rows * rank];
        if needed[0] || needed[2] {
            let target = Target::new(&mut slope, [rows, rank]);
            multiply(target, self.factor, up, matrix(&self.b), Threads::Pool);
        }
        let slope = Matrix::new(&slope, [rows, rank]);
        let dx = || {
            let mut dx = product(up, matrix(&self.weight));
            let dims = [rows, shape(&self.x)[1]];
            let target = Target::new(&mut dx, dims).add();
            multiply(target, 1.0, slope, matrix(&self.a), Threads::Pool);
            tensor(dx, dims)
        };
        let db = || {
            let dims = [shape(&self.b)[0], rank];
            let mut db = vec![0.0; dims[0] * dims[1]];
            let target = Target::new(&mut db, dims);
            multiply(
                target,
                self.factor,
                up.t(),
                matrix(&self.inner),
                Threads::Pool,
            );
            tensor(db, dims)
        };
        [
            needed[0].then(dx),
            needed[1].then(|| tensor(product(up.t(), x), shape(&self.weight))),
            needed[2].then(|| tensor(product(slope.t(), x), shape(&self.a))),
            needed[3].then(db),
        ]
    }
}

impl Saved<4> for Product {
    fn backward(self, upstream: FlexTensor, needed: [bool; 4]) -> [Option<FlexTensor>; 4] {
        self.gradients(&contiguous(upstream), needed)
    }
}

#[derive(Clone, Debug)]
struct Biased(Product);

impl Saved<5> for Biased {
    fn backward(self, upstream: FlexTensor, needed: [bool; 5]) -> [Option<FlexTensor>; 5] {
        let upstream = contiguous(upstream);
        let [dx, dw, da, db] = self
            .0
            .gradients(&upstream, [needed[0], needed[1], needed[2], needed[3]]);
        let out = self.0.weight.layout().shape()[0];
        let bias = needed[4].then(|| tensor(column_sums(values(&upstream), out), [out]));
        [dx, dw, da, db, bias]
    }
}
