//! Search over documents of several fields: BM25 for each field, normalised over all documents, summed
//! with weights.
//!
//! The procedure is that of ExpeRepair: each field's scores become `(s - min) / (max - min + 1e-8)` over
//! the whole pool, their weighted sum ranks, ties keep the order in which documents came, and of the best
//! ten the first of each group is kept, three in all ([`one_per_group`]).

#[cfg(test)]
mod tests;

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use rayon::prelude::*;

use super::{
    best::Best,
    bm25::{Bm25, Okapi, Scores},
    tokens::strip,
};
use crate::MemoryError;

/// Keeps the quotient defined where all scores of a field are equal.
const LEAST_RANGE: f64 = 1e-8;

/// From so many documents on, fields are searched side by side.
const MANY: usize = 10_000;

/// Documents that count as one when few are shown: those with the same text under them, such as the
/// attempts at one issue. White space at the ends of the text does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group(blake3::Hash);

impl Group {
    pub fn of(text: &str) -> Self {
        Self(blake3::hash(strip(text).as_bytes()))
    }
}

/// What is looked for in one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldQuery<'a> {
    pub field: &'a str,
    pub tokens: Vec<String>,
    /// What part of the sum this field makes.
    pub weight: f64,
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<K> {
    pub key: K,
    /// Between 0 and the sum of the weights.
    pub score: f64,
    pub group: Group,
}

/// A smallest and a largest score.
#[derive(Clone, Copy)]
struct Range {
    least: f64,
    most: f64,
}

impl Range {
    fn normalise(self, score: f64) -> f64 {
        (score - self.least) / (self.most - self.least + LEAST_RANGE)
    }
}

/// Documents by key, each with words in any of the fields.
pub struct Fields<K> {
    names: Vec<String>,
    /// One for each field. All of them number documents alike.
    indexes: Vec<Bm25>,
    /// By number, which follows the order of arrival; `None` for documents that are gone.
    rows: Vec<Option<(K, Group)>>,
    numbers: HashMap<K, u32>,
    /// Room that searches have used and leave to the next ones: scores of each field.
    rooms: Mutex<Vec<Vec<Scores>>>,
}

impl<K: Clone + Eq + Hash> Fields<K> {
    /// Without documents.
    pub fn new(names: &[&str], settings: Okapi) -> Self {
        Self {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            indexes: names.iter().map(|_| Bm25::new(settings)).collect(),
            rows: Vec::new(),
            numbers: HashMap::new(),
            rooms: Mutex::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Adds a document, or changes the one with this key, which keeps its place in the order. Fields that
    /// are not named are empty.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn insert(
        &mut self,
        key: K,
        group: Group,
        fields: &[(&str, &[String])],
    ) -> Result<(), MemoryError> {
        let mut words: Vec<&[String]> = vec![&[]; self.names.len()];
        for &(field, tokens) in fields {
            words[self.field(field)?] = tokens;
        }
        let number = *self.numbers.entry(key.clone()).or_insert_with(|| {
            self.rows.push(None);
            self.rows.len() as u32 - 1
        });
        self.rows[number as usize] = Some((key, group));
        for (index, tokens) in self.indexes.iter_mut().zip(words) {
            index.add(number, tokens);
        }
        Ok(())
    }

    /// Takes a document out. Returns whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(number) = self.numbers.remove(key) else {
            return false;
        };
        self.rows[number as usize] = None;
        for index in &mut self.indexes {
            index.remove(number);
        }
        if self.rows.len() > 2 * self.numbers.len() + 1024 {
            self.close_gaps();
        }
        true
    }

    /// Numbers the documents anew, in the same order and without gaps.
    fn close_gaps(&mut self) {
        let mut next = 0;
        let numbers: Vec<u32> = self
            .rows
            .iter()
            .map(|row| {
                let number = next;
                next += u32::from(row.is_some());
                number
            })
            .collect();
        self.rows.retain(Option::is_some);
        for number in self.numbers.values_mut() {
            *number = numbers[*number as usize];
        }
        for index in &mut self.indexes {
            index.renumber(&numbers, self.rows.len());
        }
    }

    fn field(&self, name: &str) -> Result<usize, MemoryError> {
        let place = self.names.iter().position(|known| known == name);
        place.ok_or_else(|| {
            let known = self.names.join("`, `");
            MemoryError::Refused(format!(
                "there is no field `{name}` to search in; name one of `{known}`"
            ))
        })
    }

    /// The BM25 scores of all documents for one field, in their order: what a result is made of.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn field_scores(
        &self,
        field: &str,
        tokens: &[String],
    ) -> Result<Vec<(K, f64)>, MemoryError> {
        let mut scores = Scores::default();
        self.indexes[self.field(field)?].scores(tokens, &mut scores);
        let rows = self.rows.iter().zip(0..);
        let scored = rows.filter_map(|(row, number)| {
            let (key, _) = row.as_ref()?;
            Some((key.clone(), scores.get(number)))
        });
        Ok(scored.collect())
    }

    /// The `most` best documents, best first; of equal ones the earlier.
    ///
    /// # Errors
    /// If a field is not there.
    pub fn search(
        &self,
        queries: &[FieldQuery<'_>],
        most: usize,
    ) -> Result<Vec<Hit<K>>, MemoryError> {
        self.search_among(queries, most, |_| true)
    }

    /// The same of those documents that are wanted. All documents count for the scores.
    ///
    /// # Errors
    /// If a field is not there.
    pub fn search_among(
        &self,
        queries: &[FieldQuery<'_>],
        most: usize,
        wanted: impl Fn(&K) -> bool,
    ) -> Result<Vec<Hit<K>>, MemoryError> {
        let places: Vec<usize> = queries
            .iter()
            .map(|query| self.field(query.field))
            .collect::<Result<_, _>>()?;
        let rooms = || {
            self.rooms
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        let mut room = rooms().pop().unwrap_or_default();
        room.resize_with(queries.len(), Scores::default);
        let indexes = &self.indexes;
        let mut searches: Vec<_> = queries.iter().zip(places).zip(&mut room).collect();
        let search = |((query, place), scores): &mut ((&FieldQuery<'_>, usize), &mut Scores)| {
            indexes[*place].scores(&query.tokens, scores);
        };
        if self.len() < MANY {
            searches.iter_mut().for_each(search);
        } else {
            searches.par_iter_mut().for_each(search);
        }
        let best = self.ranked(queries, &room, most, wanted);
        rooms().push(room);
        let hits = best.sorted().into_iter().filter_map(|scored| {
            let (key, group) = self.rows[scored.place as usize].clone()?;
            Some(Hit {
                key,
                score: scored.score,
                group,
            })
        });
        Ok(hits.collect())
    }

    /// The best documents by the sum over the fields.
    fn ranked(
        &self,
        queries: &[FieldQuery<'_>],
        scores: &[Scores],
        most: usize,
        wanted: impl Fn(&K) -> bool,
    ) -> Best {
        let wanted = |number: u32| {
            let row = self.rows[number as usize].as_ref();
            row.is_some_and(|(key, _)| wanted(key))
        };
        let ranges: Vec<Range> = scores.iter().map(|scores| self.range(scores)).collect();
        let weighted: Vec<(f64, Range, &Scores)> = queries
            .iter()
            .zip(ranges)
            .zip(scores)
            .map(|((query, range), scores)| (query.weight, range, scores))
            .collect();
        let part = |weight: f64, range: Range, score: f64| weight * range.normalise(score);
        let mut best = Best::new(most);
        for (field, own) in scores.iter().enumerate() {
            for &number in own.touched() {
                let mut before = scores[..field].iter();
                if before.all(|scores| scores.touched_score(number).is_none()) {
                    let parts = weighted.iter();
                    let parts = parts.map(|&(weight, range, s)| part(weight, range, s.get(number)));
                    let score: f64 = parts.sum();
                    if score >= best.floor() && wanted(number) {
                        best.offer(score, number);
                    }
                }
            }
        }
        // Documents that no field touches all score the same, and can be better than touched ones, as
        // scores can be negative. The first of them are enough.
        let rest = weighted.iter();
        let rest = rest
            .map(|&(weight, range, _)| part(weight, range, 0.0))
            .sum();
        if best.floor() <= rest {
            let untouched = |&number: &u32| {
                wanted(number) && scores.iter().all(|s| s.touched_score(number).is_none())
            };
            for number in (0..self.rows.len() as u32).filter(untouched).take(most) {
                best.offer(rest, number);
            }
        }
        best
    }

    /// The smallest and largest score of a field over all documents, those that score 0 unseen too.
    fn range(&self, scores: &Scores) -> Range {
        let unseen = scores.touched().len() < self.len();
        let start = if unseen {
            Range {
                least: 0.0,
                most: 0.0,
            }
        } else {
            Range {
                least: f64::INFINITY,
                most: f64::NEG_INFINITY,
            }
        };
        let touched = scores.touched().iter().map(|&number| scores.get(number));
        touched.fold(start, |range, score| Range {
            least: range.least.min(score),
            most: range.most.max(score),
        })
    }
}

/// The first hits of `most` different groups, in their order.
pub fn one_per_group<K>(hits: Vec<Hit<K>>, most: usize) -> Vec<Hit<K>> {
    let mut kept: Vec<Hit<K>> = Vec::new();
    for hit in hits {
        if kept.len() == most {
            break;
        }
        if kept.iter().all(|other| other.group != hit.group) {
            kept.push(hit);
        }
    }
    kept
}
