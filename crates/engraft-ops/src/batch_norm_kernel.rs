//! Batch norm on CPU slices: channels are summed side by side, images are written side by side, and
//! the normalised image is made again on the way back.

use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::Tensor;

use crate::flex::{contiguous, each, map, rows_per_task, tensor, values, values_mut, wide, zeros};
use crate::float::sum;
use crate::node::{Input, Saved, run};

/// The output, and mean and variance of every channel.
pub(crate) fn batch_norm(
    inputs: [Input; 3],
    eps: f32,
    relu: bool,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let (mut mean, mut var) = (Vec::new(), Vec::new());
    let output = run(inputs, |inputs, _| {
        let [x, weight, bias] = inputs.map(contiguous);
        let statistics = Images::of(&x).statistics(values(&x));
        let given = [values(&weight).len(), values(&bias).len()];
        assert_eq!(given, [statistics.len(); 2], "one weight for every channel");
        (mean, var) = statistics.iter().copied().unzip();
        let channels = statistics
            .iter()
            .zip(values(&weight).iter().zip(values(&bias)))
            .map(|(&(mean, var), (&weight, &bias))| Channel::new(mean, var + eps, weight, bias))
            .collect();
        let saved = Normed { x, channels, relu };
        (saved.forward(), saved)
    });
    let plain = |values: Vec<f32>| {
        let channels = values.len();
        Tensor::from_primitive::<Flex>(tensor(values, [channels]))
    };
    (output, plain(mean), plain(var))
}

/// What a channel is shifted and scaled by: `(x - mean) * inverse * weight + bias`, the same as
/// `x * scale + shift`.
#[derive(Clone, Copy, Debug)]
struct Channel {
    mean: f32,
    inverse: f32,
    scale: f32,
    shift: f32,
}

impl Channel {
    fn new(mean: f32, var: f32, weight: f32, bias: f32) -> Self {
        let inverse = 1.0 / var.sqrt();
        let scale = weight * inverse;
        Self {
            mean,
            inverse,
            scale,
            shift: bias - mean * scale,
        }
    }
}

/// Sizes of `[batch, channels, height, width]`.
#[derive(Clone, Copy)]
struct Images {
    batch: usize,
    channels: usize,
    pixels: usize,
}

impl Images {
    fn of(x: &FlexTensor) -> Self {
        let shape = x.layout().shape();
        Self {
            batch: shape[0],
            channels: shape[1],
            pixels: shape[2] * shape[3],
        }
    }

    /// Elements of one image, at least 1.
    fn image(&self) -> usize {
        (self.channels * self.pixels).max(1)
    }

    /// Images a task writes.
    fn task(&self) -> usize {
        rows_per_task(self.batch, self.image())
    }

    /// Channels, to be summed side by side unless that is little work.
    fn channel_tasks(&self) -> Vec<std::ops::Range<usize>> {
        let task = rows_per_task(self.channels, self.batch * self.pixels);
        (0..self.channels)
            .step_by(task)
            .map(|start| start..(start + task).min(self.channels))
            .collect()
    }

    /// Where `channel` of image `item` lies.
    fn plane(&self, item: usize, channel: usize) -> std::ops::Range<usize> {
        let start = (item * self.channels + channel) * self.pixels;
        start..start + self.pixels
    }

    /// Mean and biased variance of every channel.
    fn statistics(&self, x: &[f32]) -> Vec<(f32, f32)> {
        let share = 1.0 / (self.batch * self.pixels).max(1) as f64;
        let total = |channel: usize, term: &(dyn Fn(&[f32]) -> f32 + Sync)| -> f64 {
            (0..self.batch)
                .map(|item| f64::from(term(&x[self.plane(item, channel)])))
                .sum()
        };
        map(self.channel_tasks(), |channels| {
            channels
                .map(|channel| {
                    let mean = (total(channel, &plane_sum) * share) as f32;
                    let spread = total(channel, &|plane: &[f32]| plane_spread(plane, mean));
                    (mean, (spread * share) as f32)
                })
                .collect::<Vec<_>>()
        })
        .concat()
    }
}

fn plane_sum(plane: &[f32]) -> f32 {
    wide(
        #[inline(always)]
        || {
            sum(
                [plane],
                #[inline(always)]
                |[x]| x,
            )
        },
    )
}

fn plane_spread(plane: &[f32], mean: f32) -> f32 {
    wide(
        #[inline(always)]
        || {
            sum(
                [plane],
                #[inline(always)]
                |[x]| (x - mean) * (x - mean),
            )
        },
    )
}

#[derive(Clone, Debug)]
struct Normed {
    x: FlexTensor,
    channels: Vec<Channel>,
    relu: bool,
}

impl Normed {
    fn forward(&self) -> FlexTensor {
        let images = Images::of(&self.x);
        let x = values(&self.x);
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let mut out = zeros(x.len());
        let part = images.task() * images.image();
        each(
            out.chunks_mut(part).zip(x.chunks(part)).collect(),
            |(out, x)| {
                let planes = out
                    .chunks_exact_mut(images.pixels.max(1))
                    .zip(x.chunks_exact(images.pixels.max(1)));
                for ((out, x), channel) in planes.zip(self.channels.iter().cycle()) {
                    wide(
                        #[inline(always)]
                        || {
                            for (out, x) in out.iter_mut().zip(x) {
                                let y = x.mul_add(channel.scale, channel.shift);
                                *out = if y < floor { floor } else { y };
                            }
                        },
                    );
                }
            },
        );
        tensor(out, self.x.layout().shape().clone())
    }

    /// Sums of the gradient and of gradient times normalised value, for every channel.
    fn sums(&self, upstream: &[f32]) -> Vec<(f32, f32)> {
        let images = Images::of(&self.x);
        let x = values(&self.x);
        map(images.channel_tasks(), |channels| {
            channels
                .map(|index| {
                    let channel = self.channels[index];
                    let (mut level, mut along) = (0.0f64, 0.0f64);
                    for item in 0..images.batch {
                        let plane = images.plane(item, index);
                        let (up, x) = (&upstream[plane.clone()], &x[plane]);
                        let (a, b) = wide(
                            #[inline(always)]
                            || self.plane_sums(up, x, channel),
                        );
                        level += f64::from(a);
                        along += f64::from(b);
                    }
                    (level as f32, along as f32)
                })
                .collect::<Vec<_>>()
        })
        .concat()
    }

    #[inline(always)]
    fn plane_sums(&self, up: &[f32], x: &[f32], channel: Channel) -> (f32, f32) {
        let level = sum(
            [up, x],
            #[inline(always)]
            |[up, x]| self.passed(up, x, channel),
        );
        let along = sum(
            [up, x],
            #[inline(always)]
            |[up, x]| self.passed(up, x, channel) * (x - channel.mean),
        );
        (level, along * channel.inverse)
    }

    /// What the ReLU lets through of an upstream gradient.
    #[inline(always)]
    fn passed(&self, up: f32, x: f32, channel: Channel) -> f32 {
        let dead = self.relu && x.mul_add(channel.scale, channel.shift) <= 0.0;
        if dead { 0.0 } else { up }
    }
}

impl Saved<3> for Normed {
    fn backward(self, upstream: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let images = Images::of(&self.x);
        let mut dx = contiguous(upstream);
        let sums = self.sums(values(&dx));
        let share = 1.0 / (images.batch * images.pixels).max(1) as f32;
        let part = images.task() * images.image();
        let parts = values_mut(&mut dx).chunks_mut(part);
        each(
            parts.zip(values(&self.x).chunks(part)).collect(),
            |(up, x)| {
                let planes = up
                    .chunks_exact_mut(images.pixels.max(1))
                    .zip(x.chunks_exact(images.pixels.max(1)));
                let channels = self.channels.iter().zip(&sums).cycle();
                for ((up, x), (&channel, &(level, along))) in planes.zip(channels) {
                    let (level, along) = (level * share, along * share * channel.inverse);
                    wide(
                        #[inline(always)]
                        || {
                            for (up, &x) in up.iter_mut().zip(x) {
                                let passed = self.passed(*up, x, channel);
                                *up = channel.scale * (passed - level - (x - channel.mean) * along);
                            }
                        },
                    );
                }
            },
        );
        let (db, dw): (Vec<f32>, Vec<f32>) = sums.into_iter().unzip();
        let channels = [images.channels];
        [
            Some(dx),
            Some(tensor(dw, channels)),
            Some(tensor(db, channels)),
        ]
    }
}
