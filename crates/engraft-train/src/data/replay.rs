//! Old data mixed into new: half of each batch replayed, or any other share.

use engraft_nets::{Batch, IGNORE, Input};

use crate::{BatchSource, data::DataError};

/// Batches of `new` in which a share of the rows comes from `old` instead.
///
/// Rows are taken at even distances from both, so a source that mixes two kinds of rows keeps
/// their proportion. Sample ids stay those of the source a row came from.
pub struct Replay {
    new: Box<dyn BatchSource>,
    old: Box<dyn BatchSource>,
    share: f64,
    padding: u32,
}

impl Replay {
    /// `share` of each batch (0 to 1) comes from `old`; token rows of different lengths are filled
    /// up with `padding`. Both sources must give batches of the same size and kind.
    pub fn new(
        new: Box<dyn BatchSource>,
        old: Box<dyn BatchSource>,
        share: f64,
        padding: u32,
    ) -> Result<Self, DataError> {
        if !(0.0..=1.0).contains(&share) {
            let problem = format!("{share} must be from 0 to 1");
            return Err(DataError::setting("replay share", problem));
        }
        let (first, second) = (new.batch(0, 0), old.batch(0, 0));
        if first.len() != second.len() || row_shape(&first.input) != row_shape(&second.input) {
            let problem = format!(
                "new batches are {} of {}, old ones {} of {}; make them alike",
                first.len(),
                row_shape(&first.input),
                second.len(),
                row_shape(&second.input)
            );
            return Err(DataError::setting("replay", problem));
        }
        Ok(Self {
            new,
            old,
            share,
            padding,
        })
    }
}

/// What rows must agree in to share a batch.
fn row_shape(input: &Input) -> String {
    match input {
        Input::Tokens { .. } => "token rows".to_owned(),
        Input::Images { shape, .. } => format!("images {:?}", &shape[1..]),
        Input::Features { shape, .. } => format!("{} features", shape[1]),
    }
}

/// `count` of `0..len` at even distances.
fn evenly(count: usize, len: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| (2 * index + 1) * len / (2 * count))
}

impl BatchSource for Replay {
    fn batch(&self, step: usize, micro: usize) -> Batch {
        let (new, old) = (self.new.batch(step, micro), self.old.batch(step, micro));
        let rows = new.len();
        let replayed = (rows as f64 * self.share).round() as usize;
        let width = token_width(&new).max(token_width(&old));
        let mut batch = Batch {
            input: empty_like(&new.input, rows, width),
            labels: Vec::new(),
            samples: Vec::new(),
        };
        for row in evenly(rows - replayed, rows) {
            append(&mut batch, &new, row, width, self.padding);
        }
        for row in evenly(replayed, rows) {
            append(&mut batch, &old, row, width, self.padding);
        }
        batch
    }
}

fn token_width(batch: &Batch) -> usize {
    match &batch.input {
        Input::Tokens { shape, .. } => shape[1],
        _ => 1,
    }
}

fn empty_like(input: &Input, rows: usize, width: usize) -> Input {
    match input {
        Input::Tokens { .. } => Input::Tokens {
            ids: Vec::new(),
            shape: [rows, width],
        },
        Input::Images { shape, .. } => Input::Images {
            pixels: Vec::new(),
            shape: [rows, shape[1], shape[2], shape[3]],
        },
        Input::Features { shape, .. } => Input::Features {
            values: Vec::new(),
            shape: [rows, shape[1]],
        },
    }
}

fn append(batch: &mut Batch, from: &Batch, row: usize, width: usize, padding: u32) {
    let old_width = token_width(from);
    let fill = match (&mut batch.input, &from.input) {
        (Input::Tokens { ids, .. }, Input::Tokens { ids: all, .. }) => {
            ids.extend(&all[row * old_width..(row + 1) * old_width]);
            ids.resize(ids.len() + width - old_width, padding);
            width - old_width
        }
        (Input::Images { pixels, .. }, Input::Images { pixels: all, shape }) => {
            let size = shape[1] * shape[2] * shape[3];
            pixels.extend(&all[row * size..(row + 1) * size]);
            0
        }
        (Input::Features { values, .. }, Input::Features { values: all, shape }) => {
            values.extend(&all[row * shape[1]..(row + 1) * shape[1]]);
            0
        }
        _ => unreachable!("the kinds were compared when the two sources were joined"),
    };
    batch
        .labels
        .extend(&from.labels[row * old_width..(row + 1) * old_width]);
    batch.labels.resize(batch.labels.len() + fill, IGNORE);
    batch.samples.extend(from.samples.get(row));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one token value, as long as told; the labels are the step.
    struct Rows {
        value: u32,
        tokens: usize,
        rows: usize,
    }

    impl BatchSource for Rows {
        fn batch(&self, step: usize, _micro: usize) -> Batch {
            Batch {
                input: Input::Tokens {
                    ids: vec![self.value; self.rows * self.tokens],
                    shape: [self.rows, self.tokens],
                },
                labels: vec![step as i64; self.rows * self.tokens],
                samples: (0..self.rows)
                    .map(|row| row + 10 * self.value as usize)
                    .collect(),
            }
        }
    }

    fn rows(value: u32, tokens: usize) -> Box<dyn BatchSource> {
        Box::new(Rows {
            value,
            tokens,
            rows: 4,
        })
    }

    #[test]
    fn half_of_each_batch_is_replayed_and_rows_are_filled_to_the_longest() {
        let replay = Replay::new(rows(1, 2), rows(2, 3), 0.5, 0).unwrap();
        assert_eq!(
            replay.batch(7, 0),
            Batch {
                input: Input::Tokens {
                    ids: vec![1, 1, 0, 1, 1, 0, 2, 2, 2, 2, 2, 2],
                    shape: [4, 3]
                },
                labels: vec![7, 7, IGNORE, 7, 7, IGNORE, 7, 7, 7, 7, 7, 7],
                samples: vec![11, 13, 21, 23],
            }
        );
    }

    #[test]
    fn a_share_of_nothing_or_everything_is_one_source_alone() {
        let only = |share| {
            Replay::new(rows(1, 2), rows(2, 2), share, 0)
                .unwrap()
                .batch(0, 0)
        };
        assert_eq!(only(0.0), rows(1, 2).batch(0, 0));
        assert_eq!(only(1.0), rows(2, 2).batch(0, 0));
    }

    #[test]
    fn sources_that_do_not_fit_together_are_refused() {
        let few = Box::new(Rows {
            value: 1,
            tokens: 2,
            rows: 3,
        });
        assert!(Replay::new(few, rows(2, 2), 0.5, 0).is_err());
        assert!(Replay::new(rows(1, 2), rows(2, 2), 1.5, 0).is_err());
    }
}
