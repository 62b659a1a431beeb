//! One order out of those of several reviews.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

/// What a review counts for a patch that it does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingRank {
    /// The rank after its last one.
    #[default]
    AfterLast,
    /// Nothing, as released: a patch that one review alone lists, first, is first. Repetitions in a
    /// review count.
    Ignored,
}

/// Patches by their mean rank over reviews, the best first; of equal ones, the one that was seen first.
/// Each review lists patches, the best first, perhaps not all.
pub fn mean_rank<T: Copy + Eq + Hash>(reviews: &[Vec<T>], missing: MissingRank) -> Vec<T> {
    let mut patches = Vec::new();
    let mut ranks: HashMap<T, (usize, usize)> = HashMap::new();
    for review in reviews {
        let listed = match missing {
            MissingRank::AfterLast => once_each(review),
            MissingRank::Ignored => review.clone(),
        };
        for (place, patch) in listed.into_iter().enumerate() {
            let (sum, count) = ranks.entry(patch).or_insert_with(|| {
                patches.push(patch);
                (0, 0)
            });
            *sum += place + 1;
            *count += 1;
        }
    }
    if missing == MissingRank::AfterLast {
        for review in reviews {
            let listed: HashSet<T> = review.iter().copied().collect();
            for (patch, (sum, count)) in &mut ranks {
                if !listed.contains(patch) {
                    *sum += listed.len() + 1;
                    *count += 1;
                }
            }
        }
    }
    let mean = |patch: &T| {
        ranks
            .get(patch)
            .map_or(f64::INFINITY, |(sum, count)| *sum as f64 / *count as f64)
    };
    patches.sort_by(|one, other| mean(one).total_cmp(&mean(other)));
    patches
}

/// A patch that is listed twice stands where it comes first.
fn once_each<T: Copy + Eq + Hash>(review: &[T]) -> Vec<T> {
    let mut seen = HashSet::new();
    let patches = review.iter().copied();
    patches.filter(|patch| seen.insert(*patch)).collect()
}

/// Patches by Borda's count, the best first: as many points as the first review lists patches, one less
/// a place; of equal ones, the one that was seen first.
pub fn borda<T: Copy + Eq + Hash>(reviews: &[Vec<T>]) -> Vec<T> {
    let most = reviews.first().map_or(0, Vec::len) as i64;
    let mut patches = Vec::new();
    let mut points: HashMap<T, i64> = HashMap::new();
    for review in reviews {
        for (patch, place) in review.iter().zip(0..) {
            *points.entry(*patch).or_insert_with(|| {
                patches.push(*patch);
                0
            }) += most - place;
        }
    }
    patches.sort_by_key(|patch| -points.get(patch).copied().unwrap_or(i64::MIN + 1));
    patches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MissingRank, borda, mean_rank};

    #[test]
    fn a_patch_that_one_review_alone_lists_is_not_the_best() {
        let reviews = [vec![1, 2], vec![2, 1], vec![9]];
        assert_eq!(mean_rank(&reviews, MissingRank::AfterLast)[0], 1);
        assert_eq!(mean_rank(&reviews, MissingRank::Ignored)[0], 9);
    }

    proptest! {
        #[test]
        fn every_patch_is_ranked_once(reviews in prop::collection::vec(prop::collection::vec(0..9, 0..6), 0..5)) {
            let mut listed = reviews.concat();
            listed.sort_unstable();
            listed.dedup();
            for mut ranked in [
                mean_rank(&reviews, MissingRank::AfterLast),
                mean_rank(&reviews, MissingRank::Ignored),
                borda(&reviews),
            ] {
                ranked.sort_unstable();
                prop_assert_eq!(&ranked, &listed);
            }
        }

        #[test]
        fn equal_reviews_are_their_own_mean(mut order in Just((0..7).collect::<Vec<_>>()).prop_shuffle(), times in 1..4_usize) {
            let reviews = vec![order.clone(); times];
            prop_assert_eq!(mean_rank(&reviews, MissingRank::AfterLast), order.clone());
            prop_assert_eq!(borda(&reviews), order.clone());
            order.reverse();
            prop_assert_ne!(borda(&reviews), order);
        }
    }
}
