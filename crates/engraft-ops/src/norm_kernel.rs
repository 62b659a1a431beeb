//! Norms on CPU slices: two numbers a row are kept, and the normalised row is made again on the way
//! back.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::flex::{contiguous, each, map, rows_per_task, tensor, values, values_mut, wide, zeros};
use crate::float::sum;
use crate::node::{Input, Saved, run};

/// Layer norm without bias, or RMS norm where not `centred`.
pub(crate) fn norm(inputs: [Input; 2], centred: bool, eps: f64) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let [x, weight] = inputs.map(contiguous);
        Normed::forward(x, weight, None, centred, eps as f32)
    })
}

/// Layer norm with bias.
pub(crate) fn norm_bias(inputs: [Input; 3], eps: f64) -> Tensor<2> {
    run(inputs, |inputs, _| {
        let [x, weight, bias] = inputs.map(contiguous);
        let (output, normed) = Normed::forward(x, weight, Some(bias), true, eps as f32);
        (output, Biased(normed))
    })
}

/// What a row was shifted and scaled by.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    mean: f32,
    inverse: f32,
}

impl Moments {
    #[inline(always)]
    fn of(row: &[f32], centred: bool, eps: f32) -> Self {
        let share = 1.0 / row.len() as f32;
        let mean = if centred {
            sum(
                [row],
                #[inline(always)]
                |[x]| x,
            ) * share
        } else {
            0.0
        };
        let square = sum(
            [row],
            #[inline(always)]
            |[x]| (x - mean) * (x - mean),
        ) * share;
        Self {
            mean,
            inverse: 1.0 / (square + eps).sqrt(),
        }
    }
}

#[derive(Clone, Debug)]
struct Normed {
    x: FlexTensor,
    weight: FlexTensor,
    moments: Vec<Moments>,
    centred: bool,
}

impl Normed {
    fn forward(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        centred: bool,
        eps: f32,
    ) -> (FlexTensor, Self) {
        let shape = x.layout().shape().clone();
        let (rows, width) = (shape[0], shape[1]);
        let none = vec![0.0; width];
        let bias = bias.as_ref().map_or(none.as_slice(), values);
        let (all, scale) = (values(&x), values(&weight));
        let mut out = zeros(all.len());
        assert_eq!(
            [scale.len(), bias.len()],
            [width; 2],
            "one weight for every column"
        );
        let mut moments = vec![Moments::default(); rows];
        let task = rows_per_task(rows, width);
        let elements = (task * width).max(1);
        let write = out.chunks_mut(elements).zip(moments.chunks_mut(task));
        each(
            write.zip(all.chunks(elements)).collect(),
            |((out, moments), x)| {
                wide(
                    #[inline(always)]
                    || {
                        let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width));
                        for ((out, x), moments) in rows.zip(moments) {
                            *moments = Moments::of(x, centred, eps);
                            let Moments { mean, inverse } = *moments;
                            let affine = scale.iter().zip(bias);
                            for ((out, x), (scale, bias)) in out.iter_mut().zip(x).zip(affine) {
                                *out = (x - mean) * inverse * scale + bias;
                            }
                        }
                    },
                );
            },
        );
        let normed = Self {
            x,
            weight,
            moments,
            centred,
        };
        (tensor(out, shape), normed)
    }

    /// Gradients of `x`, weight and bias.
    fn gradients(&self, upstream: FlexTensor) -> [FlexTensor; 3] {
        let width = self.weight.layout().shape()[0];
        let scale = values(&self.weight);
        let mut dx = contiguous(upstream);
        let all = values_mut(&mut dx);
        let task = rows_per_task(self.moments.len(), width);
        let elements = (task * width).max(1);
        let read = values(&self.x)
            .chunks(elements)
            .zip(self.moments.chunks(task));
        let parts = map(
            all.chunks_mut(elements).zip(read).collect(),
            |(up, (x, moments))| {
                let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
                wide(
                    #[inline(always)]
                    || {
                        let rows = up.chunks_exact_mut(width).zip(x.chunks_exact(width));
                        for ((up, x), moments) in rows.zip(moments) {
                            self.row(up, x, scale, *moments, &mut dw, &mut db);
                        }
                    },
                );
                (dw, db)
            },
        );
        let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
        for (weight, bias) in &parts {
            dw.iter_mut()
                .zip(weight)
                .for_each(|(all, part)| *all += part);
            db.iter_mut().zip(bias).for_each(|(all, part)| *all += part);
        }
        [dx, tensor(dw, [width]), tensor(db, [width])]
    }

    /// Turns a row's upstream gradient into the input's, adding to weight's and bias's.
    #[inline(always)]
    fn row(
        &self,
        up: &mut [f32],
        x: &[f32],
        scale: &[f32],
        Moments { mean, inverse }: Moments,
        dw: &mut [f32],
        db: &mut [f32],
    ) {
        let len = up.len();
        let (x, scale, dw, db) = (&x[..len], &scale[..len], &mut dw[..len], &mut db[..len]);
        let share = 1.0 / len as f32;
        let along = sum(
            [up, scale, x],
            #[inline(always)]
            |[up, scale, x]| up * scale * (x - mean),
        );
        let along = along * inverse * share;
        let level = if self.centred {
            sum(
                [up, scale],
                #[inline(always)]
                |[up, scale]| up * scale,
            ) * share
        } else {
            0.0
        };
        for i in 0..len {
            let normal = (x[i] - mean) * inverse;
            dw[i] += up[i] * normal;
            db[i] += up[i];
            up[i] = inverse * (up[i] * scale[i] - level - normal * along);
        }
    }
}

impl Saved<2> for Normed {
    fn backward(self, upstream: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let [dx, dw, _] = self.gradients(upstream);
        [Some(dx), Some(dw)]
    }
}

#[derive(Clone, Debug)]
struct Biased(Normed);

impl Saved<3> for Biased {
    fn backward(self, upstream: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        self.0.gradients(upstream).map(Some)
    }
}
