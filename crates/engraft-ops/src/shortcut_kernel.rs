//! The shortcut without parameters on CPU slices.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::flex::{contiguous, each, rows_per_task, tensor, values, zeros};
use crate::node::{Input, Saved, run};

pub(crate) fn shortcut(x: Input, out: usize) -> Tensor<4> {
    run([x], |[x], _| {
        let x = contiguous(x);
        let shape = x.layout().shape();
        let plan = Plan {
            batch: shape[0],
            channels: shape[1],
            image: [shape[2], shape[3]],
            out,
        };
        (plan.forward(values(&x)), plan)
    })
}

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
struct Plan {
    batch: usize,
    channels: usize,
    image: [usize; 2],
    out: usize,
}

impl Saved<1> for Plan {
    fn backward(self, upstream: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let dx = self.restore(values(&contiguous(upstream)));
        let [height, width] = self.image;
        let shape = [self.batch, self.channels, height, width];
        [Some(tensor(dx, shape))]
    }
}

impl Plan {
    /// `[height, width]` of the result.
    fn small(&self) -> [usize; 2] {
        self.image.map(|side| side.div_ceil(2))
    }

    /// Elements of one image and of its result.
    fn lengths(&self) -> (usize, usize) {
        let [height, width] = self.small();
        let image = self.channels * self.image[0] * self.image[1];
        (image.max(1), (self.out * height * width).max(1))
    }

    fn forward(&self, x: &[f32]) -> FlexTensor {
        let (image, result) = self.lengths();
        let [height, width] = self.small();
        let mut out = zeros(self.batch * result);
        let task = rows_per_task(self.batch, result);
        let parts = out.chunks_mut(task * result).zip(x.chunks(task * image));
        each(parts.collect(), |(out, x)| {
            let pairs = out.chunks_exact_mut(result).zip(x.chunks_exact(image));
            for (out, x) in pairs {
                for (small, large) in self.rows() {
                    let kept = x[large..].iter().step_by(2);
                    let to = out[small..small + width].iter_mut();
                    to.zip(kept).for_each(|(to, from)| *to = *from);
                }
            }
        });
        tensor(out, [self.batch, self.out, height, width])
    }

    /// Every kept pixel back in its place, zeros between.
    fn restore(&self, upstream: &[f32]) -> Vec<f32> {
        let (image, result) = self.lengths();
        let width = self.small()[1];
        let mut dx = zeros(self.batch * image);
        let task = rows_per_task(self.batch, image);
        let parts = dx.chunks_mut(task * image);
        let parts = parts.zip(upstream.chunks(task * result));
        each(parts.collect(), |(dx, up)| {
            let pairs = dx.chunks_exact_mut(image).zip(up.chunks_exact(result));
            for (dx, up) in pairs {
                for (small, large) in self.rows() {
                    let kept = dx[large..].iter_mut().step_by(2);
                    let from = up[small..small + width].iter();
                    kept.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        });
        dx
    }

    /// Rows of one result, `small`, beside the rows of the image they are taken from, `large`.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let ([height, width], [tall, broad]) = (self.small(), self.image);
        let before = (self.out - self.channels) / 2;
        (0..self.channels * height).map(move |row| {
            let (channel, y) = (row / height.max(1), row % height.max(1));
            let small = (before * height + row) * width;
            (small, (channel * tall + 2 * y) * broad)
        })
    }
}
