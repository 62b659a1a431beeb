//! The nearest of many embeddings by cosine.
//!
//! Each vector is kept twice: as it is, and rounded to bytes with one scale. A search runs over the bytes,
//! a quarter of the memory traffic, and scores the best of them again with full numbers, many more than
//! are asked for: the result is that of an exact search unless rounding puts more than those in front of
//! one that belongs in it.

mod rounded;

use std::{collections::HashMap, hash::Hash};

use rayon::prelude::*;
use rounded::{Query, Rounded};

use super::best::Best;
use crate::MemoryError;

/// At least so many are scored again with full numbers.
const LEAST_RESCORED: usize = 200;
/// And at least this many times those asked for.
const RESCORED: usize = 4;
/// Vectors that one task of a search looks at.
const ROWS: usize = 2048;

/// Embeddings of one width, by key.
#[derive(Clone, Debug)]
pub struct VectorIndex<K> {
    width: usize,
    keys: Vec<K>,
    places: HashMap<K, usize>,
    /// `[vectors, width]`, each of length 1.
    exact: Vec<f32>,
    rounded: Rounded,
}

impl<K: Clone + Eq + Hash + Sync> VectorIndex<K> {
    /// Without vectors. A width of 0 takes none.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            keys: Vec::new(),
            places: HashMap::new(),
            exact: Vec::new(),
            rounded: Rounded::new(width),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds the vector of a key, or puts it in place of the one it had. Its length does not matter.
    ///
    /// # Errors
    /// If it has another width, is zero or is not finite.
    pub fn insert(&mut self, key: K, vector: &[f32]) -> Result<(), MemoryError> {
        let unit = self.unit(vector)?;
        match self.places.get(&key) {
            Some(&place) => {
                self.exact[place * self.width..][..self.width].copy_from_slice(&unit);
                self.rounded.set(place, &unit);
            }
            None => {
                self.places.insert(key.clone(), self.keys.len());
                self.keys.push(key);
                self.exact.extend_from_slice(&unit);
                self.rounded.push(&unit);
            }
        }
        Ok(())
    }

    /// Takes a vector out. Returns whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        self.keys.swap_remove(place);
        if let Some(moved) = self.keys.get(place) {
            self.places.insert(moved.clone(), place);
        }
        let last = self.keys.len() * self.width;
        self.exact.copy_within(last.., place * self.width);
        self.exact.truncate(last);
        self.rounded.swap_remove(place);
        true
    }

    /// The vector of a key, scaled to length 1.
    pub fn get(&self, key: &K) -> Option<&[f32]> {
        let place = *self.places.get(key)?;
        Some(&self.exact[place * self.width..][..self.width])
    }

    /// A vector of length 1 in the same direction.
    fn unit(&self, vector: &[f32]) -> Result<Vec<f32>, MemoryError> {
        if vector.len() != self.width {
            return Err(MemoryError::Refused(format!(
                "an embedding has {} numbers where {} are compared; embed both with the same model",
                vector.len(),
                self.width
            )));
        }
        let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        if !square.is_finite() || square <= 0.0 {
            let problem =
                "an embedding is zero or not finite, so it points nowhere; embed the text anew";
            return Err(MemoryError::Refused(problem.to_owned()));
        }
        let length = square.sqrt();
        let unit = vector.iter().map(|&x| (f64::from(x) / length) as f32);
        Ok(unit.collect())
    }

    /// The `most` keys whose vectors are nearest to the query, with their cosines, nearest first. Equal
    /// ones come in the order in which the index holds them: of arrival, where nothing was removed.
    ///
    /// # Errors
    /// If the query has another width, is zero or is not finite.
    pub fn nearest(&self, query: &[f32], most: usize) -> Result<Vec<(K, f32)>, MemoryError> {
        self.nearest_among(query, most, |_| true)
    }

    /// The same of those keys that are wanted.
    ///
    /// # Errors
    /// If the query has another width, is zero or is not finite.
    pub fn nearest_among(
        &self,
        query: &[f32],
        most: usize,
        wanted: impl Fn(&K) -> bool + Sync,
    ) -> Result<Vec<(K, f32)>, MemoryError> {
        let query = self.unit(query)?;
        let mut best = Best::new(most);
        for candidate in self.candidates(&query, most, wanted) {
            let row = &self.exact[candidate as usize * self.width..][..self.width];
            best.offer(f64::from(dot(row, &query)), candidate);
        }
        let found = best.sorted().into_iter();
        let found = found.map(|best| (self.keys[best.place as usize].clone(), best.score as f32));
        Ok(found.collect())
    }

    /// The places of the nearest by rounded numbers, more than are asked for.
    fn candidates(
        &self,
        query: &[f32],
        most: usize,
        wanted: impl Fn(&K) -> bool + Sync,
    ) -> Vec<u32> {
        let rescored = LEAST_RESCORED.max(most.saturating_mul(RESCORED));
        if self.len() <= rescored {
            let all = 0..self.len() as u32;
            return all
                .filter(|&place| wanted(&self.keys[place as usize]))
                .collect();
        }
        let query = Query::new(query);
        let (rounded, len) = (&self.rounded, self.len());
        let tasks = len.div_ceil(ROWS);
        let best = (0..tasks).into_par_iter().fold(
            || Best::new(rescored),
            |mut best, task| {
                let rows = task * ROWS..len.min((task + 1) * ROWS);
                rounded.scan(&query, rows, |place, score| {
                    if score >= best.floor() && wanted(&self.keys[place]) {
                        best.offer(score, place as u32);
                    }
                });
                best
            },
        );
        let best = best.reduce(|| Best::new(rescored), Best::merge);
        best.sorted().into_iter().map(|best| best.place).collect()
    }
}

/// In eight sums, which the compiler keeps side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers that look random and are the same each time.
    fn noise(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// Vectors around a few centres, as those of texts are.
    fn clustered(count: usize, width: usize) -> Vec<Vec<f32>> {
        (0..count)
            .map(|number| {
                let centre = noise(width, 1 + number as u64 % 20);
                let own = noise(width, 1000 + number as u64);
                centre
                    .iter()
                    .zip(own)
                    .map(|(centre, own)| centre + own)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn the_nearest_are_those_of_an_exact_search() {
        let width = 48;
        let vectors = clustered(5000, width);
        let mut index = VectorIndex::new(width);
        for (key, vector) in vectors.iter().enumerate() {
            index.insert(key, vector).unwrap();
        }
        for seed in [7, 8, 9] {
            let query: Vec<f32> = clustered(30, width)[seed].iter().map(|x| x * 2.0).collect();
            let unit = index.unit(&query).unwrap();
            let mut wanted: Vec<(usize, f32)> = vectors
                .iter()
                .map(|vector| dot(&index.unit(vector).unwrap(), &unit))
                .enumerate()
                .collect();
            wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
            wanted.truncate(10);
            assert_eq!(index.nearest(&query, 10).unwrap(), wanted);
        }
    }

    #[test]
    fn vectors_that_point_nowhere_or_are_too_short_are_refused() {
        let mut index = VectorIndex::new(2);
        for bad in [
            &[0.0, 0.0][..],
            &[1.0],
            &[f32::NAN, 1.0],
            &[f32::INFINITY, 1.0],
        ] {
            assert!(index.insert('a', bad).is_err(), "{bad:?}");
            assert!(index.nearest(bad, 1).is_err(), "{bad:?}");
        }
        assert!(index.is_empty());
    }

    proptest! {
        #[test]
        fn an_index_after_changes_answers_as_one_built_anew(
            changes in prop::collection::vec((0u8..9, prop::option::of(1u64..50)), 1..40),
            query in 1u64..50,
        ) {
            let mut changed = VectorIndex::new(5);
            let mut kept = std::collections::BTreeMap::new();
            for (key, seed) in changes {
                match seed.map(|seed| noise(5, seed)) {
                    Some(vector) => {
                        changed.insert(key, &vector).unwrap();
                        kept.insert(key, vector);
                    }
                    None => prop_assert_eq!(changed.remove(&key), kept.remove(&key).is_some()),
                }
            }
            let mut anew = VectorIndex::new(5);
            for (&key, vector) in &kept {
                anew.insert(key, vector).unwrap();
            }
            let sorted = |index: &VectorIndex<u8>| {
                let mut found = index.nearest(&noise(5, query), 20).unwrap();
                found.sort_by_key(|found| found.0);
                found
            };
            prop_assert_eq!(sorted(&changed), sorted(&anew));
        }
    }
}
