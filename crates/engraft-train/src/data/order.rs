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
    /// Put samples of similar length into one batch.
    pub by_length: bool,
}

impl From<&TrainConfig> for Sampling {
    fn from(config: &TrainConfig) -> Self {
        Self {
            seed: config.seed,
            batch: config.batch,
            accumulate: config.accumulate,
            by_length: config.group_by_length,
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
        let batch = self.batch as u64;
        let first = self.number(step, micro) * batch;
        self.stretch(first, batch)
    }

    /// The same, samples of similar length together: the visits of a few micro-batches are sorted by
    /// `length` and cut anew, and these batches come in an order of their own.
    pub fn visits_by_length(
        &self,
        step: usize,
        micro: usize,
        length: impl Fn(usize) -> usize,
    ) -> Vec<Visit> {
        let (number, batch) = (self.number(step, micro), self.batch as u64);
        let (group, place) = (number / GROUP, number % GROUP);
        let mut visits = self.stretch(group * GROUP * batch, GROUP * batch);
        visits.sort_by_key(|visit| length(visit.sample));
        let order = Permutation::new(self.seed, "groups of one length", group, GROUP);
        let chosen = order.at(place) as usize * self.batch;
        visits[chosen..chosen + self.batch].to_vec()
    }

    /// How many micro-batches came before.
    fn number(&self, step: usize, micro: usize) -> u64 {
        step as u64 * self.accumulate.max(1) as u64 + micro as u64
    }

    fn stretch(&self, first: u64, count: u64) -> Vec<Visit> {
        let len = self.len.max(1) as u64;
        let mut shuffled: Option<(u64, Permutation)> = None;
        (first..first + count)
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

/// Micro-batches whose samples are sorted together.
const GROUP: u64 = 4;

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

    #[test]
    fn groups_of_one_length_hold_the_same_visits_with_less_between_shortest_and_longest() {
        let order = Order {
            seed: 5,
            purpose: "test",
            len: 80,
            batch: 20,
            accumulate: 1,
        };
        let length = |sample: usize| sample * 7 % 31;
        let (mut plain, mut grouped, mut spans) = (Vec::new(), Vec::new(), [0, 0]);
        for step in 0..8 {
            for (at, visits) in [
                order.visits(step, 0),
                order.visits_by_length(step, 0, length),
            ]
            .into_iter()
            .enumerate()
            {
                let lengths = visits.iter().map(|visit| length(visit.sample));
                spans[at] += lengths.clone().max().unwrap() - lengths.min().unwrap();
                [&mut plain, &mut grouped][at].extend(visits);
            }
        }
        grouped.sort_by_key(|visit| visit.position);
        assert_eq!(plain, grouped);
        assert!(spans[1] * 2 < spans[0], "{spans:?}");
    }
}
