//! Labelled images as batches: normalised, and in training cropped and flipped at random.

use std::sync::Arc;

use engraft_nets::{Batch, Input};

use crate::{
    BatchSource,
    data::{DataError, Order, order::Sampling},
    key,
};

/// Images of one size with a class each, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// `[images, channels, height, width]`
    pub pixels: Vec<u8>,
    pub shape: [usize; 4],
    /// `[images]`
    pub labels: Vec<u8>,
    pub classes: usize,
}

impl Images {
    /// Why these cannot measure what others taught, if they cannot: images of another shape, or a
    /// class that the others do not have.
    pub fn strange_to(&self, taught: &Self) -> Option<String> {
        let [_, ours @ ..] = self.shape;
        let [_, theirs @ ..] = taught.shape;
        if ours != theirs {
            return Some(format!(
                "are {ours:?} (channels, height, width), those to train on {theirs:?}"
            ));
        }
        let label = self.labels.iter().max().copied().unwrap_or(0);
        (usize::from(label) >= taught.classes).then(|| {
            format!(
                "have the class {label}, those to train on only 0 to {}",
                taught.classes.saturating_sub(1)
            )
        })
    }
}

/// `(pixel / 255 - mean) / std`, one entry a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

impl Normalization {
    /// The statistics of ImageNet, which the published CIFAR-10 ResNets use too.
    pub fn imagenet() -> Self {
        Self {
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        }
    }

    /// The mean and standard deviation of each channel of these images.
    pub fn of(images: &Images) -> Self {
        let [_, channels, height, width] = images.shape;
        let plane = height * width;
        let mut sums = vec![(0u64, 0u64); channels];
        for (index, pixels) in images.pixels.chunks_exact(plane.max(1)).enumerate() {
            let (sum, squares) = &mut sums[index % channels];
            *sum += pixels.iter().map(|&p| u64::from(p)).sum::<u64>();
            *squares += pixels.iter().map(|&p| u64::from(p).pow(2)).sum::<u64>();
        }
        let count = (images.labels.len() * plane).max(1) as f64;
        let moments = sums.into_iter().map(|(sum, squares)| {
            let mean = sum as f64 / count / 255.0;
            let variance = squares as f64 / count / (255.0 * 255.0) - mean * mean;
            (mean as f32, variance.max(1e-12).sqrt() as f32)
        });
        let (mean, std) = moments.unzip();
        Self { mean, std }
    }

    /// What every byte of a channel becomes.
    fn table(&self, channel: usize) -> [f32; 256] {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
    }
}

/// Random changes that keep the class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// Shift by up to this many pixels each way; what comes in is black.
    pub shift: usize,
    /// Mirror left and right, every second image.
    pub flip: bool,
}

impl Augment {
    /// The usual for CIFAR: pad by 4, crop, flip (He et al. 2016).
    pub fn cifar() -> Self {
        Self {
            shift: 4,
            flip: true,
        }
    }
}

/// A view of an image: where its top left corner comes from, and whether mirrored.
#[derive(Clone, Copy)]
struct View {
    down: isize,
    right: isize,
    mirrored: bool,
}

const UNCHANGED: View = View {
    down: 0,
    right: 0,
    mirrored: false,
};

/// Batches of images.
pub struct ImageSource {
    images: Arc<Images>,
    tables: Vec<[f32; 256]>,
    augment: Augment,
    order: Order,
}

impl ImageSource {
    /// # Errors
    /// No images, fewer pixels or labels than the shape says, a normalisation of another number of
    /// channels than the images'.
    pub fn new(
        images: Arc<Images>,
        normalization: &Normalization,
        augment: Augment,
        sampling: Sampling,
    ) -> Result<Self, DataError> {
        let channels = images.shape[1];
        let pixels: usize = images.shape.iter().product();
        if pixels == 0 || images.pixels.len() != pixels || images.labels.len() != images.shape[0] {
            let problem = format!(
                "{} pixels and {} labels do not make up images of shape {:?}",
                images.pixels.len(),
                images.labels.len(),
                images.shape
            );
            return Err(DataError::setting("images", problem));
        }
        if normalization.mean.len() != channels || normalization.std.len() != channels {
            let problem = format!(
                "has {} means and {} deviations for images of {channels} channels",
                normalization.mean.len(),
                normalization.std.len()
            );
            return Err(DataError::setting("normalization", problem));
        }
        Ok(Self {
            tables: (0..channels).map(|c| normalization.table(c)).collect(),
            order: sampling.order("images", images.labels.len(), sampling.batch),
            images,
            augment,
        })
    }

    /// The images as they are, in their order, `size` a batch: to measure on.
    pub fn in_order(&self, size: usize) -> impl Iterator<Item = Batch> + '_ {
        let size = size.max(1);
        let starts = (0..self.images.labels.len()).step_by(size);
        starts.map(move |start| {
            let end = (start + size).min(self.images.labels.len());
            self.assemble((start..end).map(|sample| (sample, UNCHANGED)))
        })
    }

    fn view(&self, position: u64) -> View {
        let random = key::bits(self.order.seed, "augmentation", position);
        let span = 2 * self.augment.shift as u64 + 1;
        let offset = |bits: u64| (bits % span) as isize - self.augment.shift as isize;
        View {
            down: offset(random & 0xffff),
            right: offset(random >> 16 & 0xffff),
            mirrored: self.augment.flip && random >> 32 & 1 == 1,
        }
    }

    fn assemble(&self, samples: impl Iterator<Item = (usize, View)>) -> Batch {
        let [_, channels, height, width] = self.images.shape;
        let (mut pixels, mut labels, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for (sample, view) in samples {
            for channel in 0..channels {
                let start = (sample * channels + channel) * height * width;
                let plane = &self.images.pixels[start..start + height * width];
                push_plane(&mut pixels, plane, width, view, &self.tables[channel]);
            }
            labels.push(i64::from(self.images.labels[sample]));
            ids.push(sample);
        }
        Batch {
            input: Input::Images {
                pixels,
                shape: [labels.len(), channels, height, width],
            },
            labels,
            samples: ids,
        }
    }
}

fn push_plane(out: &mut Vec<f32>, plane: &[u8], width: usize, view: View, table: &[f32; 256]) {
    let height = plane.len() / width;
    for y in 0..height as isize {
        let row = usize::try_from(y + view.down).ok().filter(|&y| y < height);
        for x in 0..width as isize {
            let x = if view.mirrored {
                width as isize - 1 - x
            } else {
                x
            };
            let column = usize::try_from(x + view.right).ok().filter(|&x| x < width);
            let byte = match (row, column) {
                (Some(row), Some(column)) => plane[row * width + column],
                _ => 0,
            };
            out.push(table[usize::from(byte)]);
        }
    }
}

impl BatchSource for ImageSource {
    fn batch(&self, step: usize, micro: usize) -> Batch {
        let visits = self.order.visits(step, micro).into_iter();
        self.assemble(visits.map(|visit| (visit.sample, self.view(visit.position))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [(f32, f32); 1] = [(0.0, 1.0 / 255.0)];

    fn source(augment: Augment) -> ImageSource {
        let images = Images {
            pixels: (1..=12).collect(),
            shape: [3, 1, 2, 2],
            labels: vec![0, 1, 2],
            classes: 3,
        };
        let (mean, std) = PLAIN.into_iter().unzip();
        let sampling = Sampling {
            seed: 1,
            batch: 2,
            accumulate: 1,
            by_length: false,
        };
        let normalization = Normalization { mean, std };
        ImageSource::new(Arc::new(images), &normalization, augment, sampling).unwrap()
    }

    fn rows(batch: &Batch) -> Vec<[u8; 4]> {
        let Input::Images { pixels, .. } = &batch.input else {
            panic!("images give pixels");
        };
        let bytes: Vec<u8> = pixels.iter().map(|p| p.round() as u8).collect();
        bytes.chunks(4).map(|row| row.try_into().unwrap()).collect()
    }

    #[test]
    fn images_of_another_shape_or_class_are_strange() {
        let taught = source(Augment::default()).images;
        let mut test = (*taught).clone();
        assert_eq!(test.strange_to(&taught), None);
        test.labels[0] = 3;
        assert!(test.strange_to(&taught).unwrap().contains("class 3"));
        test.shape = [3, 1, 4, 1];
        assert!(test.strange_to(&taught).unwrap().contains("[1, 4, 1]"));
    }

    #[test]
    fn in_order_gives_every_image_unchanged_once() {
        let source = source(Augment::cifar());
        let batches: Vec<Batch> = source.in_order(2).collect();
        assert_eq!(rows(&batches[0]), [[1, 2, 3, 4], [5, 6, 7, 8]]);
        assert_eq!(rows(&batches[1]), [[9, 10, 11, 12]]);
        assert_eq!(batches[1].labels, [2]);
    }

    #[test]
    fn augmented_images_are_shifts_and_mirrors_of_their_own_and_repeat_with_the_step() {
        let source = source(Augment {
            shift: 1,
            flip: true,
        });
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..200 {
            let batch = source.batch(step, 0);
            assert_eq!(batch, source.batch(step, 0));
            for (row, &sample) in rows(&batch).iter().zip(&batch.samples) {
                let own = |byte: &u8| *byte == 0 || (*byte - 1) / 4 == sample as u8;
                assert!(row.iter().all(own), "{row:?} of {sample}");
                if sample == 0 {
                    seen.insert(*row);
                }
            }
        }
        for expected in [[1, 2, 3, 4], [2, 1, 4, 3], [0, 0, 1, 2], [4, 0, 0, 0]] {
            assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
        }
        assert_eq!(seen.len(), 9 * 2, "nine shifts, each mirrored or not");
    }

    #[test]
    fn normalised_channels_have_mean_zero_and_deviation_one() {
        let images = Images {
            pixels: vec![0, 10, 20, 30, 200, 210, 250, 240],
            shape: [2, 2, 1, 2],
            labels: vec![0, 1],
            classes: 2,
        };
        let normalization = Normalization::of(&images);
        for (channel, bytes) in [(0, [0usize, 10, 200, 210]), (1, [20, 30, 250, 240])] {
            let table = normalization.table(channel);
            let values = bytes.map(|byte| table[byte]);
            let mean = values.iter().sum::<f32>() / 4.0;
            let variance = values.iter().map(|v| v * v).sum::<f32>() / 4.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn statistics_of_another_number_of_channels_are_refused() {
        let images = source(Augment::default()).images;
        let sampling = Sampling {
            seed: 0,
            batch: 1,
            accumulate: 1,
            by_length: false,
        };
        let wrong = Normalization::imagenet();
        let error = ImageSource::new(images, &wrong, Augment::default(), sampling).err();
        assert!(error.unwrap().to_string().contains("1 channels"));
    }
}
