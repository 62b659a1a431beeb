//! The best few of many scores, in memory of the size of the few.

use std::cmp::Ordering;

/// A score and the place of what has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scored {
    pub score: f64,
    pub place: u32,
}

impl Scored {
    /// Better first; of equal ones the earlier place.
    fn order(&self, other: &Self) -> Ordering {
        let score = other.score.total_cmp(&self.score);
        score.then(self.place.cmp(&other.place))
    }
}

/// Keeps the best `most`. What is kept depends on what was offered, not on the order of the offers.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    most: usize,
    /// The best so far and at most as many others.
    kept: Vec<Scored>,
    /// The last of the best, once there are enough: whatever comes after it can be dropped at once.
    last: Option<Scored>,
}

impl Best {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Vec::new(),
            last: None,
        }
    }

    /// The score that has to be reached, once enough are there.
    pub fn floor(&self) -> f64 {
        self.last.map_or(f64::NEG_INFINITY, |last| last.score)
    }

    pub fn offer(&mut self, score: f64, place: u32) {
        // A negative zero is a zero.
        let scored = Scored {
            score: score + 0.0,
            place,
        };
        if self.last.is_some_and(|last| scored.order(&last).is_gt()) || self.most == 0 {
            return;
        }
        self.kept.push(scored);
        if self.kept.len() >= 2 * self.most {
            self.cut();
        }
    }

    pub fn merge(mut self, other: Self) -> Self {
        for scored in other.kept {
            self.offer(scored.score, scored.place);
        }
        self
    }

    fn cut(&mut self) {
        if self.kept.len() > self.most {
            let at = self.most - 1;
            let (_, last, _) = self.kept.select_nth_unstable_by(at, Scored::order);
            self.last = Some(*last);
            self.kept.truncate(self.most);
        }
    }

    /// The best, best first.
    pub fn sorted(mut self) -> Vec<Scored> {
        self.kept.sort_unstable_by(Scored::order);
        self.kept.truncate(self.most);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(
            scores in prop::collection::vec(-3i32..3, 0..200),
            most in 0usize..12,
            split in 0usize..200,
        ) {
            let all = scores.iter().zip(0u32..);
            let mut wanted: Vec<Scored> = all
                .map(|(&score, place)| Scored { score: f64::from(score), place })
                .collect();
            let (mut left, mut right) = (Best::new(most), Best::new(most));
            for (index, scored) in wanted.iter().enumerate() {
                let side = if index < split { &mut left } else { &mut right };
                side.offer(scored.score, scored.place);
            }
            wanted.sort_by(Scored::order);
            wanted.truncate(most);
            prop_assert_eq!(left.merge(right).sorted(), wanted);
        }
    }
}
