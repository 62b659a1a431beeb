//! In which order samples are visited: every one once an epoch, shuffled anew each time.

use crate::{TrainConfig, key::Permutation};

/// The places of at most `most` of `len` things, spread evenly over all of them.
pub fn spread(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = len.min(most);
    (0..count).map(move |index| index * len / count)
}

/// What the order of a run's data depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    pub seed: u64,
    /// Rows a micro-batch.
    pub batch: usize,
    /// Micro-batches an optimiser step.
    pub accumulate: usize,
}

impl From<&TrainConfig> for Sampling {
    fn from(config: &TrainConfig) -> Self {
        Self {
            seed: config.seed,
            batch: config.batch,
            accumulate: config.accumulate,
        }
    }
}

impl Sampling {
    /// The order of `len` samples of which a micro-batch takes `batch`.
    pub fn order(self, purpose: &'static str, len: usize, batch: usize) -> Order {
        Order {
            seed: self.seed,
            purpose,
            len,
            batch,
            accumulate: self.accumulate,
        }
    }
}

/// The samples of every batch as a pure function of the step.
#[derive(Clone, Debug)]
pub struct Order {
    pub seed: u64,
    /// What is ordered; two purposes of one seed have unrelated orders.
    pub purpose: &'static str,
    /// Samples in the data set.
    pub len: usize,
    /// Samples a micro-batch.
    pub batch: usize,
    /// Micro-batches an optimiser step.
    pub accumulate: usize,
}

/// One visit to a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    pub sample: usize,
    /// How often every sample has been visited before: 0 in the first epoch.
    pub epoch: u64,
    /// Visits of any sample before this one.
    pub position: u64,
}

impl Order {
    /// The visits of one micro-batch. An epoch may end inside it.
    pub fn visits(&self, step: usize, micro: usize) -> Vec<Visit> {
        let len = self.len.max(1) as u64;
        let first =
            (step as u64 * self.accumulate.max(1) as u64 + micro as u64) * self.batch as u64;
        let mut shuffled: Option<(u64, Permutation)> = None;
        (first..first + self.batch as u64)
            .map(|position| {
                let epoch = position / len;
                let order = match shuffled.take() {
                    Some((of, order)) if of == epoch => order,
                    _ => Permutation::new(self.seed, self.purpose, epoch, len),
                };
                let sample = order.at(position % len) as usize;
                shuffled = Some((epoch, order));
                Visit {
                    sample,
                    epoch,
                    position,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_every_sample_once_in_a_new_order() {
        let order = Order {
            seed: 5,
            purpose: "test",
            len: 7,
            batch: 3,
            accumulate: 2,
        };
        let mut visits = Vec::new();
        for step in 0..7 {
            for micro in 0..2 {
                visits.extend(order.visits(step, micro));
            }
        }
        let epochs: Vec<Vec<usize>> = visits
            .chunks(7)
            .map(|epoch| epoch.iter().map(|visit| visit.sample).collect())
            .collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..7).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        assert_eq!(order.visits(3, 1), visits[21..24]);
    }
}
