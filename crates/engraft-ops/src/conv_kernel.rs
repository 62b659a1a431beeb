//! Convolution on CPU slices: the patches of a few output rows as columns, then one matrix product.
//! The columns stay in a task's own cache and are made again on the way back.

use std::ops::Range;

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use crate::flex::{contiguous, each, map, tensor, values, wide, zeros};
use crate::matrix::{Matrix, Target, Threads, multiply};
use crate::node::{Input, Saved, run};

/// Parts a batch is cut into; each has its own sum of weight gradients.
const PARTS: usize = 32;

/// Elements of the column matrix that exist at a time: within the second-level cache.
const COLUMNS: usize = 48 * 1024;

pub(crate) fn conv2d(inputs: [Input; 2], stride: usize, padding: usize) -> Tensor<4> {
    run(inputs, |inputs, _| {
        let [x, weight] = inputs.map(contiguous);
        let plan = Plan::of(&x, &weight, stride, padding);
        let [height, width] = plan.output;
        let shape = [plan.batch, plan.filters, height, width];
        let output = tensor(plan.convolve(values(&x), values(&weight)), shape);
        (output, Convolved { plan, x, weight })
    })
}

#[derive(Clone, Debug)]
struct Convolved {
    plan: Plan,
    x: FlexTensor,
    weight: FlexTensor,
}

impl Saved<2> for Convolved {
    fn backward(self, upstream: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let upstream = contiguous(upstream);
        let (up, plan) = (values(&upstream), &self.plan);
        let shape = |tensor: &FlexTensor| tensor.layout().shape().clone();
        let dx = needed[0].then(|| {
            let dx = plan.input_gradient(up, values(&self.weight));
            tensor(dx, shape(&self.x))
        });
        let dw = needed[1].then(|| {
            let dw = plan.weight_gradient(up, values(&self.x));
            tensor(dw, shape(&self.weight))
        });
        [dx, dw]
    }
}

/// Sizes of one call; `[height, width]` each.
#[derive(Clone, Copy, Debug)]
struct Plan {
    batch: usize,
    channels: usize,
    filters: usize,
    image: [usize; 2],
    kernel: [usize; 2],
    output: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Plan {
    fn of(x: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> Self {
        let (x, weight) = (x.layout().shape(), weight.layout().shape());
        let (image, kernel) = ([x[2], x[3]], [weight[2], weight[3]]);
        let output = [0, 1].map(|side| {
            let reach = image[side] + 2 * padding;
            assert!(
                stride > 0 && reach >= kernel[side],
                "a kernel of {kernel:?} does not fit an image of {image:?} with padding {padding}"
            );
            (reach - kernel[side]) / stride + 1
        });
        assert_eq!(x[1], weight[1], "channels of image and kernel");
        Self {
            batch: x[0],
            channels: x[1],
            filters: weight[0],
            image,
            kernel,
            output,
            stride,
            padding,
        }
    }

    fn pixels(&self) -> usize {
        self.image[0] * self.image[1]
    }

    fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Rows of the column matrix.
    fn patch(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Images a task takes.
    fn images(&self) -> usize {
        self.batch.div_ceil(PARTS).max(1)
    }

    /// The output rows, as many at a time as the columns may hold.
    fn stripes(&self) -> impl Iterator<Item = Range<usize>> {
        let height = self.output[0];
        let rows = COLUMNS / (self.patch() * self.output[1]).max(1);
        let rows = rows.clamp(1, height);
        (0..height)
            .step_by(rows)
            .map(move |start| start..(start + rows).min(height))
    }

    /// The columns of the first, that is the largest, stripe.
    fn buffer(&self) -> Vec<f32> {
        let rows = self.stripes().next().map_or(0, |rows| rows.len());
        vec![0.0; self.patch() * rows * self.output[1]]
    }

    /// A stripe of an image's result or its gradient: `[filters, positions of the rows]`.
    fn stripe<'a>(&self, result: &'a [f32], rows: &Range<usize>) -> Matrix<'a> {
        let from = &result[rows.start * self.output[1]..];
        let shape = [self.filters, rows.len() * self.output[1]];
        Matrix::strided(from, shape, [self.positions(), 1])
    }

    /// `[height, width]` of an image with its border.
    fn padded(&self) -> [usize; 2] {
        self.image.map(|side| side + 2 * self.padding)
    }

    /// An image's memory with a border of zeros, to be used for one image after the other.
    fn border(&self) -> Vec<f32> {
        let [height, width] = self.padded();
        vec![0.0; self.channels * height * width]
    }

    /// `[batch, filters, height, width]` of the output.
    fn convolve(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let (image, result) = (
            self.channels * self.pixels(),
            self.filters * self.positions(),
        );
        let mut out = zeros(self.batch * result);
        let parts = out.chunks_mut((self.images() * result).max(1));
        let parts = parts.zip(x.chunks((self.images() * image).max(1)));
        each(parts.collect(), |(out, x)| {
            let (mut columns, mut padded) = (self.buffer(), self.border());
            for (out, x) in out.chunks_exact_mut(result).zip(x.chunks_exact(image)) {
                self.pad(x, &mut padded);
                for rows in self.stripes() {
                    let shape = [self.patch(), rows.len() * self.output[1]];
                    self.spread(&padded, &rows, &mut columns);
                    let out = &mut out[rows.start * self.output[1]..];
                    multiply(
                        Target::strided(out, [self.filters, shape[1]], self.positions()),
                        1.0,
                        Matrix::new(weight, [self.filters, self.patch()]),
                        Matrix::new(&columns, shape),
                        Threads::One,
                    );
                }
            }
        });
        out
    }

    /// The convolution that takes the gradient of the output to that of the input, where there is
    /// one: at stride 1 every pixel collects from its neighbours what the turned kernel says.
    fn reversed(&self) -> Option<Self> {
        let square = self.kernel[0] == self.kernel[1];
        let padding = (self.kernel[0] - 1).checked_sub(self.padding)?;
        (self.stride == 1 && square).then_some(Self {
            channels: self.filters,
            filters: self.channels,
            image: self.output,
            output: self.image,
            padding,
            ..*self
        })
    }

    /// The kernel of [`Plan::reversed`]: both sides turned, filters and channels exchanged.
    fn turned(&self, weight: &[f32]) -> Vec<f32> {
        let entries = self.kernel[0] * self.kernel[1];
        let mut turned = Vec::with_capacity(weight.len());
        for channel in 0..self.channels {
            for filter in 0..self.filters {
                let start = (filter * self.channels + channel) * entries;
                turned.extend(weight[start..start + entries].iter().rev());
            }
        }
        turned
    }

    fn input_gradient(&self, upstream: &[f32], weight: &[f32]) -> Vec<f32> {
        if let Some(reversed) = self.reversed() {
            return reversed.convolve(upstream, &self.turned(weight));
        }
        let (image, result) = (
            self.channels * self.pixels(),
            self.filters * self.positions(),
        );
        let mut dx = zeros(self.batch * image);
        let parts = dx.chunks_mut((self.images() * image).max(1));
        let parts = parts.zip(upstream.chunks((self.images() * result).max(1)));
        each(parts.collect(), |(dx, up)| {
            let (mut columns, mut padded) = (self.buffer(), self.border());
            for (dx, up) in dx.chunks_exact_mut(image).zip(up.chunks_exact(result)) {
                padded.fill(0.0);
                for rows in self.stripes() {
                    let shape = [self.patch(), rows.len() * self.output[1]];
                    multiply(
                        Target::new(&mut columns, shape),
                        1.0,
                        Matrix::new(weight, [self.filters, self.patch()]).t(),
                        self.stripe(up, &rows),
                        Threads::One,
                    );
                    self.collect(&columns, &rows, &mut padded);
                }
                self.crop(&padded, dx);
            }
        });
        dx
    }

    fn weight_gradient(&self, upstream: &[f32], x: &[f32]) -> Vec<f32> {
        let (image, result) = (
            self.channels * self.pixels(),
            self.filters * self.positions(),
        );
        // Summed as `[patch, filters]`: the smaller factor is then the one that gets packed.
        let shape = [self.patch(), self.filters];
        let parts = upstream.chunks((self.images() * result).max(1));
        let parts = parts.zip(x.chunks((self.images() * image).max(1)));
        let sums = map(parts.collect(), |(up, x)| {
            let (mut columns, mut padded) = (self.buffer(), self.border());
            let mut dw = vec![0.0; shape[0] * shape[1]];
            for (up, x) in up.chunks_exact(result).zip(x.chunks_exact(image)) {
                self.pad(x, &mut padded);
                for rows in self.stripes() {
                    let positions = rows.len() * self.output[1];
                    self.spread(&padded, &rows, &mut columns);
                    multiply(
                        Target::new(&mut dw, shape).add(),
                        1.0,
                        Matrix::new(&columns, [self.patch(), positions]),
                        self.stripe(up, &rows).t(),
                        Threads::One,
                    );
                }
            }
            dw
        });
        let mut dw = vec![0.0; shape[0] * shape[1]];
        for part in &sums {
            for (entry, part) in part.chunks_exact(self.filters).enumerate() {
                for (filter, part) in part.iter().enumerate() {
                    dw[filter * self.patch() + entry] += part;
                }
            }
        }
        dw
    }

    /// Rows of an image beside the same rows inside its border.
    fn inner_rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let ([height, width], [tall, broad]) = (self.image, self.padded());
        let padding = self.padding;
        (0..self.channels * height).map(move |row| {
            let (channel, y) = (row / height.max(1), row % height.max(1));
            let inside = (channel * tall + y + padding) * broad + padding;
            (row * width, inside)
        })
    }

    fn pad(&self, image: &[f32], padded: &mut [f32]) {
        let width = self.image[1];
        for (from, to) in self.inner_rows() {
            padded[to..to + width].copy_from_slice(&image[from..from + width]);
        }
    }

    fn crop(&self, padded: &[f32], image: &mut [f32]) {
        let width = self.image[1];
        for (to, from) in self.inner_rows() {
            image[to..to + width].copy_from_slice(&padded[from..from + width]);
        }
    }

    /// An image's patches as columns: row `(channel, i, j)` holds that kernel entry's pixel for
    /// every position of these output rows.
    fn spread(&self, padded: &[f32], rows: &Range<usize>, columns: &mut [f32]) {
        let width = self.output[1];
        match (self.stride, width) {
            (1, 8) => self.spread_lines::<8>(padded, rows, columns),
            (1, 16) => self.spread_lines::<16>(padded, rows, columns),
            (1, 32) => self.spread_lines::<32>(padded, rows, columns),
            (stride, _) => self.each_line(rows, |column, from| {
                let from = padded[from..].iter().step_by(stride);
                let to = columns[column..column + width].iter_mut();
                to.zip(from).for_each(|(to, from)| *to = *from);
            }),
        }
    }

    /// Lines of a length known here are copied by a few vector moves.
    fn spread_lines<const WIDTH: usize>(
        &self,
        padded: &[f32],
        rows: &Range<usize>,
        columns: &mut [f32],
    ) {
        wide(
            #[inline(always)]
            || {
                self.each_line(
                    rows,
                    #[inline(always)]
                    |column, from| {
                        columns[column..column + WIDTH]
                            .copy_from_slice(&padded[from..from + WIDTH]);
                    },
                );
            },
        );
    }

    /// The transpose of [`Plan::spread`]: adds every entry to the pixel it came from.
    fn collect(&self, columns: &[f32], rows: &Range<usize>, padded: &mut [f32]) {
        let (stride, width) = (self.stride, self.output[1]);
        self.each_line(rows, |column, to| {
            let to = padded[to..].iter_mut().step_by(stride);
            let from = columns[column..column + width].iter();
            to.zip(from).for_each(|(to, from)| *to += from);
        });
    }

    /// Visits `(start in the columns, start in the padded image)` for every kernel entry and every
    /// one of these output rows.
    #[inline(always)]
    fn each_line(&self, rows: &Range<usize>, mut visit: impl FnMut(usize, usize)) {
        let [tall, broad] = self.padded();
        let mut column = 0;
        for channel in 0..self.channels {
            for i in 0..self.kernel[0] {
                for j in 0..self.kernel[1] {
                    for row in rows.clone() {
                        let y = channel * tall + row * self.stride + i;
                        visit(column, y * broad + j);
                        column += self.output[1];
                    }
                }
            }
        }
    }
}
