//! Reciprocal rank fusion: only the order of the lists counts, so that scores need no common scale.

use std::{collections::HashMap, hash::Hash};

/// `sum over the lists of 1 / (constant + rank)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rrf {
    /// How little the first ranks stand out.
    pub constant: f64,
    /// The rank of the first of a list.
    pub first_rank: usize,
    /// Keys below it are left out.
    pub min_score: f64,
}

impl Default for Rrf {
    /// As in the literature (Cormack, Clarke, Büttcher, SIGIR 2009): 60, ranks from 1.
    fn default() -> Self {
        Self {
            constant: 60.0,
            first_rank: 1,
            min_score: 0.0,
        }
    }
}

impl Rrf {
    /// As in Graphiti: 1, ranks from 0.
    pub fn graphiti() -> Self {
        Self {
            constant: 1.0,
            first_rank: 0,
            ..Self::default()
        }
    }
}

/// One order of several, best first, ties in the order in which keys were first seen.
pub fn rrf<K, L>(lists: &[L], settings: &Rrf) -> Vec<(K, f64)>
where
    K: Clone + Eq + Hash,
    L: AsRef<[K]>,
{
    let mut sums: Vec<(K, f64)> = Vec::new();
    let mut places: HashMap<&K, usize> = HashMap::new();
    for list in lists {
        for (rank, key) in list.as_ref().iter().enumerate() {
            let place = *places.entry(key).or_insert(sums.len());
            if place == sums.len() {
                sums.push((key.clone(), 0.0));
            }
            let rank = (rank + settings.first_rank) as f64;
            sums[place].1 += 1.0 / (rank + settings.constant);
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums.retain(|&(_, sum)| sum >= settings.min_score);
    sums
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn second_in_both_lists_is_better_than_first_in_one() {
        let fused = rrf(&[['a', 'b'], ['c', 'b']], &Rrf::default());
        assert_eq!(fused[0], ('b', 2.0 / 62.0));
        assert_eq!(fused[1].0, 'a');
    }

    proptest! {
        #[test]
        fn the_order_of_the_lists_changes_no_score(
            lists in prop::collection::vec(
                Just((0u8..8).collect::<Vec<_>>()).prop_shuffle(),
                1..5,
            ),
        ) {
            let scores = |lists: &[Vec<u8>]| -> BTreeMap<u8, f64> {
                rrf(lists, &Rrf::default()).into_iter().collect()
            };
            let turned: Vec<Vec<u8>> = lists.iter().rev().cloned().collect();
            let (one, other) = (scores(&lists), scores(&turned));
            for (key, score) in one {
                prop_assert!((score - other[&key]).abs() < 1e-12);
            }
        }

        #[test]
        fn one_list_keeps_its_order_and_loses_nothing(
            list in Just((0u8..20).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let fused = rrf(&[&list, &list], &Rrf::graphiti());
            let order: Vec<u8> = fused.into_iter().map(|(key, _)| key).collect();
            prop_assert_eq!(order, list);
        }
    }
}
