//! Which names mean the same entity.
//!
//! First by the name itself, in lower case and with single spaces. Then, for names that are long enough
//! and varied enough to be told apart by their letters, by the pieces of three letters they share: a
//! MinHash signature in bands finds candidates without comparing all, the Jaccard similarity decides.
//! What is left open is for a person or a model to say. The rules are Graphiti's (`dedup_helpers.py`,
//! Apache-2.0).

mod check;
mod signature;

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

pub use check::CHECKS;
pub use signature::{Signature, signature};

use crate::retrieval::{fusion::jaccard, tokens::is_space};

/// Names of fewer letters and of one word only are too short to compare by letters.
const LEAST_LETTERS: usize = 6;
const LEAST_WORDS: usize = 2;
/// Bits per letter below which a name is too repetitive to compare by letters.
const LEAST_ENTROPY: f64 = 1.5;
/// What part of the pieces of both names the same entity shares.
const SAME: f64 = 0.9;

/// A name in lower case with single spaces: what has to be equal for two names to be the same.
pub fn exact_name(name: &str) -> String {
    squeezed(&name.to_lowercase())
}

/// A name for comparison by letters: of the exact name only Latin letters, digits and apostrophes.
pub fn fuzzy_name(name: &str) -> String {
    let keep = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '\'';
    let letters = exact_name(name);
    let letters = letters.chars().map(|c| if keep(c) { c } else { ' ' });
    squeezed(&letters.collect::<String>())
}

fn squeezed(text: &str) -> String {
    let words = text.split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Bits per letter of a name, by how often it has each letter; spaces do not count.
pub fn entropy(fuzzy: &str) -> f64 {
    let mut counts: Vec<(char, u32)> = Vec::new();
    for letter in fuzzy.chars().filter(|&letter| letter != ' ') {
        match counts.iter_mut().find(|(known, _)| *known == letter) {
            Some((_, count)) => *count += 1,
            None => counts.push((letter, 1)),
        }
    }
    let total: u32 = counts.iter().map(|(_, count)| count).sum();
    counts.iter().fold(0.0, |entropy, &(_, count)| {
        let probability = f64::from(count) / f64::from(total);
        entropy - probability * probability.log2()
    })
}

/// Whether a name can be compared by its letters.
pub fn distinctive(fuzzy: &str) -> bool {
    let words = fuzzy.split(' ').filter(|word| !word.is_empty()).count();
    let long = fuzzy.chars().count() >= LEAST_LETTERS || words >= LEAST_WORDS;
    long && entropy(fuzzy) >= LEAST_ENTROPY
}

/// All runs of three letters of a name, spaces left out; a name of one letter is one piece.
pub fn shingles(fuzzy: &str) -> BTreeSet<String> {
    let letters: Vec<char> = fuzzy.chars().filter(|&letter| letter != ' ').collect();
    if letters.len() == 1 {
        return BTreeSet::from([letters.iter().collect()]);
    }
    letters
        .windows(3)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// What a name turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved<K> {
    /// The name of this entity.
    Same(K),
    /// Nearly the name of this entity; so much of both is shared.
    Near(K, f64),
    /// None that is known, or too short a name to say.
    Unknown,
}

struct Known<K> {
    key: K,
    shingles: BTreeSet<String>,
}

/// Known entities by their names.
pub struct Names<K> {
    known: Vec<Known<K>>,
    exact: HashMap<String, usize>,
    /// By place and content of a band.
    bands: HashMap<(usize, signature::Band), Vec<usize>>,
}

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            exact: HashMap::new(),
            bands: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Names<K> {
    /// Adds a name of an entity. A name that is known already stays that of the first one.
    pub fn add(&mut self, key: K, name: &str) {
        let place = self.known.len();
        self.exact.entry(exact_name(name)).or_insert(place);
        let shingles = shingles(&fuzzy_name(name));
        if let Some(signature) = signature(&shingles) {
            for band in signature.bands().enumerate() {
                self.bands.entry(band).or_default().push(place);
            }
        }
        self.known.push(Known { key, shingles });
    }

    /// Whose name this is. Of several near ones it is the nearest, of equally near ones the first.
    pub fn resolve(&self, name: &str) -> Resolved<K> {
        if let Some(&place) = self.exact.get(&exact_name(name)) {
            return Resolved::Same(self.known[place].key.clone());
        }
        let fuzzy = fuzzy_name(name);
        if !distinctive(&fuzzy) {
            return Resolved::Unknown;
        }
        let own = shingles(&fuzzy);
        let bands = signature(&own).into_iter().flat_map(|signature| {
            let bands: Vec<_> = signature.bands().enumerate().collect();
            bands
        });
        let candidates: BTreeSet<usize> = bands
            .filter_map(|band| self.bands.get(&band))
            .flatten()
            .copied()
            .collect();
        let near = candidates
            .into_iter()
            .map(|place| (place, jaccard(&own, &self.known[place].shingles)))
            .filter(|&(_, shared)| shared >= SAME)
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        near.map_or(Resolved::Unknown, |(place, shared)| {
            Resolved::Near(self.known[place].key.clone(), shared)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names<u8> {
        let mut names = Names::default();
        names.add(1, "International Business Machines");
        names.add(2, "NYC");
        names.add(3, "nyc");
        names
    }

    #[test]
    fn case_and_spaces_make_no_other_name() {
        assert_eq!(names().resolve(" nYc\t"), Resolved::Same(2));
    }

    #[test]
    fn a_long_name_with_a_slip_is_near() {
        let resolved = names().resolve("International Business Machine");
        assert_eq!(resolved, Resolved::Near(1, 1.0));
    }

    #[test]
    fn a_short_name_with_a_slip_is_not_known() {
        assert_eq!(names().resolve("NYK"), Resolved::Unknown);
    }
}
