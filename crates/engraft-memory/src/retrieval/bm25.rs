//! Okapi BM25 over one field, with an index that grows and shrinks document by document.
//!
//! For a query `q` and a document `d`, with `f` the count of a term in it,
//!
//! ```text
//! score(q, d) = sum over the words of q (repeats count)
//!               idf(t) * f * (k1 + 1) / (f + k1 * (1 - b + b * |d| / mean length))
//! idf(t)      = ln(N - n + 0.5) - ln(n + 0.5)     n of N documents hold t
//! ```
//!
//! and where that `idf` is negative, `epsilon` times its mean over all terms takes its place (which may be
//! negative itself). The formula and its constants are those of ExpeRepair (arXiv 2506.10484), which takes
//! them from the `rank_bm25` package; sums are made in the same order, so that ties are ties.

mod scores;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

pub use scores::Scores;

/// The constants of BM25.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Okapi {
    /// How soon further occurrences of a word stop to matter.
    pub k1: f64,
    /// How far longer documents are held back: 0 not at all, 1 in proportion.
    pub b: f64,
    /// What part of the mean `idf` a word counts that most documents hold.
    pub epsilon: f64,
}

impl Default for Okapi {
    fn default() -> Self {
        Self {
            k1: 1.5,
            b: 0.75,
            epsilon: 0.25,
        }
    }
}

/// That a document holds a term, `count` times.
#[derive(Clone, Copy, Debug)]
struct Posting {
    document: u32,
    count: u32,
}

/// A term and the documents that hold it, in order of their numbers.
#[derive(Clone, Debug)]
struct Term {
    word: Arc<str>,
    postings: Vec<Posting>,
}

/// An index of documents that go by numbers. Numbers should be dense: there is room for all up to the
/// largest.
#[derive(Clone, Debug, Default)]
pub struct Bm25 {
    settings: Okapi,
    numbers: HashMap<Arc<str>, u32>,
    /// In the order in which their words were first seen, as long as nothing is removed.
    terms: Vec<Term>,
    /// Places in `terms` that no word has now.
    free: Vec<u32>,
    /// Words in each document; 0 for numbers without one too.
    lengths: Vec<u32>,
    /// The terms of each document, `None` for numbers without one.
    held: Vec<Option<Box<[u32]>>>,
    documents: usize,
    words: u64,
    mean_idf: OnceLock<f64>,
    halves: OnceLock<Vec<f64>>,
}

impl Bm25 {
    pub fn new(settings: Okapi) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Documents in the index, empty ones too.
    pub fn len(&self) -> usize {
        self.documents
    }

    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Puts the words of a document into the index, in place of those it had.
    pub fn add<S: AsRef<str>>(&mut self, document: u32, tokens: &[S]) {
        self.remove(document);
        let place = document as usize;
        if self.held.len() <= place {
            self.held.resize(place + 1, None);
            self.lengths.resize(place + 1, 0);
        }
        let held = self.counted(tokens);
        for &(term, count) in &held {
            let postings = &mut self.terms[term as usize].postings;
            let at = postings.partition_point(|posting| posting.document < document);
            postings.insert(at, Posting { document, count });
        }
        self.held[place] = Some(held.iter().map(|&(term, _)| term).collect());
        self.lengths[place] = tokens.len() as u32;
        self.documents += 1;
        self.words += tokens.len() as u64;
        self.forget();
    }

    /// Takes a document out. Returns whether it was there.
    pub fn remove(&mut self, document: u32) -> bool {
        let place = document as usize;
        let Some(terms) = self.held.get_mut(place).and_then(Option::take) else {
            return false;
        };
        for number in terms {
            let term = &mut self.terms[number as usize];
            let found = term
                .postings
                .binary_search_by_key(&document, |posting| posting.document);
            if let Ok(at) = found {
                term.postings.remove(at);
            }
            if term.postings.is_empty() {
                self.numbers.remove(&term.word);
                self.free.push(number);
            }
        }
        self.documents -= 1;
        self.words -= u64::from(std::mem::take(&mut self.lengths[place]));
        self.forget();
        true
    }

    /// Forgets what follows from all documents together.
    fn forget(&mut self) {
        self.mean_idf.take();
        self.halves.take();
    }

    /// Gives documents other numbers: `numbers[old]` is the new one. Their order has to stay.
    pub(crate) fn renumber(&mut self, numbers: &[u32], documents: usize) {
        let mut held = vec![None; documents];
        let mut lengths = vec![0; documents];
        for (old, terms) in self.held.iter_mut().enumerate() {
            if let Some(terms) = terms.take() {
                let new = numbers[old] as usize;
                held[new] = Some(terms);
                lengths[new] = self.lengths[old];
            }
        }
        (self.held, self.lengths) = (held, lengths);
        let postings = self.terms.iter_mut().flat_map(|term| &mut term.postings);
        for posting in postings {
            posting.document = numbers[posting.document as usize];
        }
        self.forget();
    }

    /// The distinct words of a document with their counts.
    fn counted<S: AsRef<str>>(&mut self, tokens: &[S]) -> Vec<(u32, u32)> {
        let numbers = tokens.iter().map(|token| self.number(token.as_ref()));
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        let same = numbers.chunk_by(|one, next| one == next);
        same.map(|run| (run[0], run.len() as u32)).collect()
    }

    /// The number of a word, a new one if it had none.
    fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let word: Arc<str> = word.into();
        let term = Term {
            word: Arc::clone(&word),
            postings: Vec::new(),
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.terms[number as usize] = term;
                number
            }
            None => {
                self.terms.push(term);
                self.terms.len() as u32 - 1
            }
        };
        self.numbers.insert(word, number);
        number
    }

    /// Words per document, 0 for an empty index.
    pub fn mean_length(&self) -> f64 {
        if self.documents == 0 {
            return 0.0;
        }
        self.words as f64 / self.documents as f64
    }

    /// What a word counts; `None` for one that no document holds.
    pub fn idf(&self, word: &str) -> Option<f64> {
        let &number = self.numbers.get(word)?;
        Some(self.weight(&self.terms[number as usize]))
    }

    fn weight(&self, term: &Term) -> f64 {
        let idf = self.raw_idf(term.postings.len());
        if idf < 0.0 {
            self.settings.epsilon * self.mean_idf()
        } else {
            idf
        }
    }

    /// The `idf` of a word that so many documents hold, before negative ones are replaced.
    fn raw_idf(&self, holders: usize) -> f64 {
        let holders = holders as f64;
        (self.documents as f64 - holders + 0.5).ln() - (holders + 0.5).ln()
    }

    /// The mean `idf` of all words, negative ones included. Computed when a query first needs it after a
    /// change: one logarithm for each number of holders, one addition for each word.
    pub fn mean_idf(&self) -> f64 {
        *self.mean_idf.get_or_init(|| {
            let mut by_holders = vec![None; self.documents + 1];
            let used = self.terms.iter().map(|term| term.postings.len());
            let used = used.filter(|&holders| holders > 0);
            // In the order of the words, as the reference sums, so that the sums are equal.
            let idfs = used
                .map(|holders| *by_holders[holders].get_or_insert_with(|| self.raw_idf(holders)));
            idfs.sum::<f64>() / self.numbers.len().max(1) as f64
        })
    }

    /// How many occurrences of a word a document of each number takes for half of the largest score that
    /// the word can give: more in longer documents. Computed when a query first needs it after a change.
    fn halves(&self) -> &[f64] {
        self.halves.get_or_init(|| {
            let Okapi { k1, b, .. } = self.settings;
            let mean = self.mean_length();
            let half = |&length: &u32| k1 * (1.0 - b + b * f64::from(length) / mean);
            self.lengths.iter().map(half).collect()
        })
    }

    /// Scores all documents that hold a word of the query; all others score 0.
    pub fn scores<S: AsRef<str>>(&self, query: &[S], scores: &mut Scores) {
        scores.reset(self.held.len());
        let found = query
            .iter()
            .filter_map(|word| self.numbers.get(word.as_ref()));
        let halves = self.halves();
        // A repeated word goes over its documents again. Counting it once, times the number of its
        // repeats, would round otherwise and break ties that the reference does not break.
        for &number in found {
            let term = &self.terms[number as usize];
            let idf = self.weight(term);
            scores.add(term.postings.iter().map(|posting| {
                let count = f64::from(posting.count);
                let half = halves[posting.document as usize];
                let score = idf * (count * (self.settings.k1 + 1.0) / (count + half));
                (posting.document, score)
            }));
        }
    }
}
