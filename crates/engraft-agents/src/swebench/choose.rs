//! Which instances of a file are run: `--filter REGEX`, `--slice A:B`, `--shuffle`.

use std::str::FromStr;

use regex::Regex;

/// Why instances cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    #[error("--filter: {0}")]
    Filter(String),
    #[error("--slice: `{0}` is not a slice; write start:stop or start:stop:step with integers")]
    Slice(String),
}

/// Which instances are chosen, and in which order: shuffled, then filtered, then sliced.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    filter: Option<Regex>,
    slice: Option<Slice>,
    shuffle: Option<u64>,
}

impl Choice {
    /// An id is kept if the pattern matches at its start; an empty pattern keeps all. `shuffle` is a
    /// seed.
    ///
    /// # Errors
    /// If the pattern is no regular expression.
    pub fn new(
        filter: &str,
        slice: Option<Slice>,
        shuffle: Option<u64>,
    ) -> Result<Self, ChoiceError> {
        // Read alone first, so that a parenthesis too many does not close the group.
        let problem = |error: regex::Error| ChoiceError::Filter(error.to_string());
        Regex::new(filter).map_err(problem)?;
        let anchored = Regex::new(&format!("\\A(?:{filter})")).map_err(problem)?;
        Ok(Self {
            filter: (!filter.is_empty()).then_some(anchored),
            slice,
            shuffle,
        })
    }

    /// Chooses among items with an id. The order of a shuffle hangs on the seed and the ids alone, not on
    /// the order of the file.
    pub fn of<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> &str) -> Vec<T> {
        if let Some(seed) = self.shuffle {
            items.sort_by_cached_key(|item| (drawn(seed, id(item)), id(item).to_owned()));
        }
        if let Some(filter) = &self.filter {
            items.retain(|item| filter.is_match(id(item)));
        }
        match self.slice {
            Some(slice) => slice.of(items),
            None => items,
        }
    }
}

/// The place of an id in a shuffle.
fn drawn(seed: u64, id: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("engraft swebench shuffle");
    hasher.update(&seed.to_le_bytes());
    hasher.update(id.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Part of a list, as Python's slices: `1:3`, `:5`, `-2:`, `::2`, `5` (the first five).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    start: Option<i64>,
    stop: Option<i64>,
    /// Never 0.
    step: i64,
}

impl FromStr for Slice {
    type Err = ChoiceError;

    fn from_str(written: &str) -> Result<Self, ChoiceError> {
        let wrong = || ChoiceError::Slice(written.to_owned());
        let bound = |text: &str| match text.trim() {
            "" => Ok(None),
            number => number.parse().map(Some).map_err(|_| wrong()),
        };
        let bounds: Result<Vec<Option<i64>>, _> = written.split(':').map(bound).collect();
        let (start, stop, step) = match bounds?[..] {
            [stop] => (None, stop, None),
            [start, stop] => (start, stop, None),
            [start, stop, step] => (start, stop, step),
            _ => return Err(wrong()),
        };
        match step.unwrap_or(1) {
            0 => Err(wrong()),
            step => Ok(Self { start, stop, step }),
        }
    }
}

impl Slice {
    fn of<T>(self, mut items: Vec<T>) -> Vec<T> {
        let count = items.len() as i64;
        let backwards = self.step < 0;
        // Places from 0 to `count`; backwards from -1 to `count - 1`.
        let (low, high) = if backwards {
            (-1, count - 1)
        } else {
            (0, count)
        };
        let place = |bound: i64| {
            let counted = if bound < 0 {
                bound.saturating_add(count)
            } else {
                bound
            };
            counted.clamp(low, high)
        };
        let start = self.start.map_or(if backwards { high } else { low }, place);
        let stop = self.stop.map_or(if backwards { low } else { high }, place);
        let (first, after, step) = if backwards {
            items.reverse();
            (
                count - 1 - start,
                count - 1 - stop,
                self.step.unsigned_abs(),
            )
        } else {
            (start, stop, self.step.unsigned_abs())
        };
        let [first, after] = [first, after].map(|place| usize::try_from(place).unwrap_or(0));
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let chosen = items.into_iter().take(after).skip(first);
        chosen.step_by(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Choice, ChoiceError, Slice};

    fn sliced(slice: &str, count: i64) -> Vec<i64> {
        slice.parse::<Slice>().unwrap().of((0..count).collect())
    }

    #[test]
    fn slices_are_those_of_python() {
        assert_eq!(sliced("1:3", 5), [1, 2]);
        assert_eq!(sliced("2", 5), [0, 1]);
        assert_eq!(sliced("-2:", 5), [3, 4]);
        assert_eq!(sliced("::2", 5), [0, 2, 4]);
        assert_eq!(sliced("::-2", 5), [4, 2, 0]);
        assert_eq!(sliced("3:0:-1", 5), [3, 2, 1]);
        assert_eq!(sliced("3:1", 5), [] as [i64; 0]);
        assert_eq!(sliced("-9:9", 3), [0, 1, 2]);
        for wrong in ["a:b", "1:2:0", "1:2:3:4"] {
            let error = wrong.parse::<Slice>().unwrap_err();
            assert_eq!(error, ChoiceError::Slice(wrong.to_owned()));
        }
    }

    #[test]
    fn a_filter_matches_at_the_start_of_the_id() {
        let choice = Choice::new("b|ab", None, None).unwrap();
        let ids = choice.of(vec!["abc", "bc", "cab"], |id| id);
        assert_eq!(ids, ["abc", "bc"]);
        assert!(Choice::new("a)(b", None, None).is_err());
    }

    proptest! {
        #[test]
        fn a_shuffle_does_not_depend_on_the_order_of_the_file(
            seed in any::<u64>(),
            ids in Just((0..9).map(|id| id.to_string()).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let choice = Choice::new("", None, Some(seed)).unwrap();
            let mut sorted = ids.clone();
            sorted.sort();
            prop_assert_eq!(choice.of(ids, |id| id), choice.of(sorted, |id| id));
        }

        #[test]
        fn a_slice_forwards_is_part_of_the_list(start in any::<i64>(), stop in -9..9_i64, step in 1..i64::MAX) {
            let chosen = sliced(&format!("{start}:{stop}:{step}"), 6);
            prop_assert!(chosen.is_sorted() && chosen.iter().all(|item| (0..6).contains(item)));
        }
    }

    #[test]
    fn seeds_shuffle_differently() {
        let ids: Vec<String> = (0..20).map(|id| format!("a__b-{id}")).collect();
        let [one, other] = [1, 2].map(|seed| {
            let choice = Choice::new("", None, Some(seed)).unwrap();
            choice.of(ids.clone(), |id| id)
        });
        assert_ne!(one, other);
        assert_ne!(one, ids);
    }
}
