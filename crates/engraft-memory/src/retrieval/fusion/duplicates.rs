//! What says the same as something before it, word for word or nearly.

use std::collections::{BTreeSet, HashMap};

use crate::retrieval::tokens::tokens;

/// A text that may repeat another, with its embedding if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    pub text: &'a str,
    /// Of any length.
    pub vector: Option<&'a [f32]>,
}

/// From where on two texts are near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// The cosine of two embeddings.
    pub cosine: f64,
    /// The part of the words of both that they share, for texts without embeddings.
    pub jaccard: f64,
}

impl Default for Near {
    /// mem0 merges from a cosine of 0.95 on, Graphiti from a Jaccard of 0.9 on.
    fn default() -> Self {
        Self {
            cosine: 0.95,
            jaccard: 0.9,
        }
    }
}

/// How a text repeats another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alike {
    /// The same words in the same order.
    Words,
    /// Embeddings with this cosine.
    Cosine(f64),
    /// Words of which this part is shared.
    Jaccard(f64),
}

/// A text that is not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropped {
    pub index: usize,
    /// The text that is kept and says the same.
    pub of: usize,
    pub alike: Alike,
}

/// Which texts are kept, in their order, and which are not, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deduplicated {
    pub kept: Vec<usize>,
    pub dropped: Vec<Dropped>,
}

/// Keeps the first of texts that say the same: with the same words, or `near`. Without `near` only the
/// same words count. A text without any words repeats nothing.
pub fn deduplicate(texts: &[Text<'_>], near: Option<&Near>) -> Deduplicated {
    let words: Vec<Vec<String>> = texts.iter().map(|text| tokens(text.text)).collect();
    let sets: Vec<BTreeSet<&str>> = words
        .iter()
        .map(|words| words.iter().map(String::as_str).collect())
        .collect();
    let mut result = Deduplicated::default();
    let mut first: HashMap<&[String], usize> = HashMap::new();
    for (index, text) in texts.iter().enumerate() {
        let same = first
            .get(words[index].as_slice())
            .filter(|_| !words[index].is_empty());
        let nearly = |near: &Near| {
            result.kept.iter().find_map(|&other| {
                let alike = match (text.vector, texts[other].vector) {
                    (Some(a), Some(b)) => {
                        let cosine = cosine(a, b);
                        (cosine >= near.cosine).then_some(Alike::Cosine(cosine))
                    }
                    _ if sets[index].is_empty() => None,
                    _ => {
                        let jaccard = jaccard(&sets[index], &sets[other]);
                        (jaccard >= near.jaccard).then_some(Alike::Jaccard(jaccard))
                    }
                };
                alike.map(|alike| (other, alike))
            })
        };
        let repeats = same.map(|&other| (other, Alike::Words));
        match repeats.or_else(|| near.and_then(nearly)) {
            Some((of, alike)) => result.dropped.push(Dropped { index, of, alike }),
            None => {
                result.kept.push(index);
                first.insert(&words[index], index);
            }
        }
    }
    result
}

/// The cosine of two vectors; 0 if one is zero, or if their widths differ and they cannot be compared.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    let product = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    if lengths > 0.0 {
        product(a, b) / lengths
    } else {
        0.0
    }
}

/// What part of the members of both sets both have. Two empty sets are equal.
pub fn jaccard<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let shared = a.intersection(b).count();
    let all = a.len() + b.len() - shared;
    if all == 0 {
        return 1.0;
    }
    shared as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Text<'_> {
        Text { text, vector: None }
    }

    #[test]
    fn case_and_punctuation_make_no_other_text() {
        let texts = ["Print inputs.", "print  inputs", "Print outputs."].map(plain);
        let found = deduplicate(&texts, None);
        assert_eq!(found.kept, [0, 2]);
        let dropped = Dropped {
            index: 1,
            of: 0,
            alike: Alike::Words,
        };
        assert_eq!(found.dropped, [dropped]);
    }

    #[test]
    fn embeddings_decide_where_both_have_one() {
        let (east, north) = ([1.0, 0.0], [0.0, 1.0]);
        let with = |text, vector| Text {
            text,
            vector: Some(vector),
        };
        let texts = [
            with("a car", &east[..]),
            with("an automobile", &east),
            with("a car now", &north),
        ];
        let found = deduplicate(&texts, Some(&Near::default()));
        assert_eq!(found.kept, [0, 2]);
        assert_eq!(found.dropped[0].alike, Alike::Cosine(1.0));
    }

    #[test]
    fn words_decide_where_one_has_no_embedding() {
        let texts = ["one two three four", "four three two one", "one two"].map(plain);
        let found = deduplicate(&texts, Some(&Near::default()));
        assert_eq!(found.kept, [0, 2]);
        assert_eq!(found.dropped[0].alike, Alike::Jaccard(1.0));
    }

    #[test]
    fn texts_without_words_repeat_nothing() {
        let texts = ["?!", "…", ""].map(plain);
        assert_eq!(deduplicate(&texts, Some(&Near::default())).kept, [0, 1, 2]);
    }
}
