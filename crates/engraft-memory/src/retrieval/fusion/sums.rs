//! The weighted sum of scores that are on different scales.

use std::{collections::HashMap, hash::Hash};

/// What one search found: keys with scores, higher is better.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a, K> {
    pub hits: &'a [(K, f64)],
    /// What part of the sum this search makes.
    pub weight: f64,
}

/// Sums the lists' scores, each list brought to 0..1 by its own smallest and largest score, best first,
/// ties in the order in which keys were first seen. A key that a list does not have counts as its worst
/// there; a key that it has twice counts as where it comes first.
///
/// `(s - min) / (max - min + 1e-8)`, as ExpeRepair normalises, so a list of equal scores adds nothing.
pub fn minmax_sum<K: Clone + Eq + Hash>(lists: &[Scored<'_, K>]) -> Vec<(K, f64)> {
    let mut sums: Vec<(K, f64)> = Vec::new();
    let mut places: HashMap<&K, usize> = HashMap::new();
    for list in lists {
        let scores = || list.hits.iter().map(|&(_, score)| score);
        let least = scores().fold(f64::INFINITY, f64::min);
        let range = scores().fold(f64::NEG_INFINITY, f64::max) - least + 1e-8;
        let mut seen = std::collections::HashSet::new();
        for (key, score) in list.hits.iter().filter(|(key, _)| seen.insert(key)) {
            let place = *places.entry(key).or_insert(sums.len());
            if place == sums.len() {
                sums.push((key.clone(), 0.0));
            }
            sums[place].1 += list.weight * ((score - least) / range);
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_both_lists_know_wins() {
        let words = [('a', 9.0), ('b', 8.0), ('c', 1.0)];
        let meaning = [('b', 0.9), ('d', 0.2)];
        let lists = [&words[..], &meaning[..]].map(|hits| Scored { hits, weight: 0.5 });
        let order: Vec<char> = minmax_sum(&lists).into_iter().map(|(key, _)| key).collect();
        assert_eq!(order, ['b', 'a', 'c', 'd']);
    }

    proptest! {
        #[test]
        fn sums_lie_between_nothing_and_all_of_the_weights(
            lists in prop::collection::vec(
                (prop::collection::vec((0u8..9, -1e3f64..1e3), 0..9), 0.0f64..2.0),
                0..4,
            ),
        ) {
            let weights: f64 = lists.iter().map(|(_, weight)| weight).sum();
            let lists: Vec<Scored<'_, u8>> = lists
                .iter()
                .map(|(hits, weight)| Scored { hits, weight: *weight })
                .collect();
            let sums = minmax_sum(&lists);
            prop_assert!(sums.iter().all(|&(_, sum)| (0.0..=weights).contains(&sum)));
            prop_assert!(sums.is_sorted_by(|a, b| a.1 >= b.1));
        }
    }
}
