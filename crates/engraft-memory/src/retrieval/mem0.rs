//! How mem0 ranks: meaning, words and entities in one sum, all brought to 0..1.
//!
//! Kept beside [`super::fusion`] so that results can be compared with a mem0 installation's. Its divisor
//! depends on which signals exist for a query at all, so that scores of two queries do not compare; where
//! that matters, use [`super::fusion::minmax_sum`]. Formulas of mem0's `scoring.py` (Apache-2.0).

use std::{collections::HashMap, hash::Hash};

/// How near in meaning a memory must be, by default.
pub const THRESHOLD: f64 = 0.1;
/// What an entity that matches perfectly adds.
const ENTITY_WEIGHT: f64 = 0.5;
/// From which similarity on an entity of the memory is taken for one of the query.
const ENTITY_SIMILARITY: f64 = 0.5;
/// How fast an entity that many memories mention stops to tell them apart.
const ENTITY_SPREAD: f64 = 0.001;

/// The logistic curve that brings a BM25 score to 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid {
    /// The score that becomes 0.5.
    pub midpoint: f64,
    pub steepness: f64,
}

/// The curve for a query of so many terms: longer ones reach higher scores.
pub fn bm25_parameters(terms: usize) -> Sigmoid {
    let (midpoint, steepness) = match terms {
        0..=3 => (5.0, 0.7),
        4..=6 => (7.0, 0.6),
        7..=9 => (9.0, 0.5),
        10..=15 => (10.0, 0.5),
        _ => (12.0, 0.5),
    };
    Sigmoid {
        midpoint,
        steepness,
    }
}

/// A BM25 score in 0..1.
pub fn normalise(score: f64, sigmoid: Sigmoid) -> f64 {
    1.0 / (1.0 + (-sigmoid.steepness * (score - sigmoid.midpoint)).exp())
}

/// What a memory gains that an entity links to the query: the more memories it links, the less. Below a
/// similarity of 0.5 the entities are not the same, and nothing is gained.
pub fn entity_boost(similarity: f64, linked: usize) -> f64 {
    if similarity < ENTITY_SIMILARITY {
        return 0.0;
    }
    let others = linked.saturating_sub(1) as f64;
    similarity * ENTITY_WEIGHT * (1.0 / (1.0 + ENTITY_SPREAD * (others * others)))
}

/// What is known of the memories of one query, all in 0..1.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a, K> {
    /// Memories with their similarity of meaning, as they were found.
    pub semantic: &'a [(K, f64)],
    /// Scores of words by memory.
    pub keyword: &'a HashMap<K, f64>,
    /// Boosts of entities by memory.
    pub entity: &'a HashMap<K, f64>,
}

/// A ranked memory and what its score is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked<K> {
    /// Its place among the semantic results.
    pub index: usize,
    pub id: K,
    pub semantic: f64,
    pub keyword: f64,
    pub entity: f64,
    /// Their sum.
    pub raw: f64,
    /// The largest sum that the signals of this query allow.
    pub possible: f64,
    /// `raw / possible`, at most 1.
    pub score: f64,
}

/// The `most` best memories, best first, ties in their order. Those whose similarity of meaning is below
/// the threshold ([`THRESHOLD`]) are out, whatever words and entities say.
pub fn rank<K: Clone + Eq + Hash>(
    signals: Signals<'_, K>,
    threshold: f64,
    most: usize,
) -> Vec<Ranked<K>> {
    let exists = |map: &HashMap<K, f64>, weight| if map.is_empty() { 0.0 } else { weight };
    let possible = 1.0 + exists(signals.keyword, 1.0) + exists(signals.entity, ENTITY_WEIGHT);
    let of = |map: &HashMap<K, f64>, id| map.get(id).copied().unwrap_or(0.0);
    let found = signals.semantic.iter().enumerate();
    let mut ranked: Vec<Ranked<K>> = found
        .filter(|&(_, &(_, semantic))| semantic >= threshold)
        .map(|(index, (id, semantic))| {
            let (keyword, entity) = (of(signals.keyword, id), of(signals.entity, id));
            let raw = semantic + keyword + entity;
            Ranked {
                index,
                id: id.clone(),
                semantic: *semantic,
                keyword,
                entity,
                raw,
                possible,
                score: (raw / possible).min(1.0),
            }
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked.truncate(most);
    ranked
}

/// How many memories each search fetches for an answer of `most`: four times as many, 60 at least.
pub fn fetched(most: usize) -> usize {
    most.saturating_mul(4).max(60)
}

/// The hits by meaning (cosines) with those by words (BM25 scores as they are, for a query of so many terms) as one
/// list, best first. Without entities, which not every memory has.
pub fn fused<K: Clone + Eq + Hash>(
    meaning: &[(K, f64)],
    words: &[(K, f64)],
    terms: usize,
    threshold: f64,
) -> Vec<(K, f64)> {
    let sigmoid = bm25_parameters(terms);
    let scored = words
        .iter()
        .map(|(id, score)| (id.clone(), normalise(*score, sigmoid)));
    let signals = Signals {
        semantic: meaning,
        keyword: &scored.collect(),
        entity: &HashMap::new(),
    };
    let ranked = rank(signals, threshold, meaning.len()).into_iter();
    ranked.map(|ranked| (ranked.id, ranked.score)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_not_help_a_memory_below_the_threshold() {
        let semantic = [("near".to_owned(), 0.5), ("far".to_owned(), 0.05)];
        let keyword = HashMap::from([("far".to_owned(), 1.0)]);
        let signals = Signals {
            semantic: &semantic,
            keyword: &keyword,
            entity: &HashMap::new(),
        };
        let ranked = rank(signals, 0.1, 20);
        assert_eq!(ranked.len(), 1);
        assert_eq!((ranked[0].index, ranked[0].score), (0, 0.25));
    }

    #[test]
    fn a_word_that_one_memory_shares_halves_what_the_others_score() {
        let meaning = [('a', 0.6), ('b', 0.5), ('c', 0.05)];
        assert_eq!(fused(&meaning, &[], 2, THRESHOLD), meaning[..2]);
        // A BM25 score at the midpoint of the curve for two terms is worth 0.5.
        let shared = fused(&meaning, &[('b', 5.0)], 2, THRESHOLD);
        assert_eq!(shared, [('b', 0.5), ('a', 0.3)]);
    }

    #[test]
    fn more_is_fetched_than_shown() {
        assert_eq!([1, 15, 16].map(fetched), [60, 60, 64]);
    }

    #[test]
    fn an_entity_of_many_memories_adds_little() {
        assert!(entity_boost(0.9, 100) < entity_boost(0.9, 2) / 5.0);
        assert_eq!(entity_boost(0.49, 1), 0.0);
    }
}
