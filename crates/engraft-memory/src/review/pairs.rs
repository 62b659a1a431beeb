//! Which items of one list belong side by side. An index from words to items finds them: no item is
//! compared with all others.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Finding, words::Words};
use crate::{Id, Item, Kind};

/// How much of the words of two items both must have (Jaccard) to be about the same.
const SAME_WORDS: f64 = 0.5;
/// How alike two embeddings must be (cosine) to be about the same.
const SAME_MEANING: f64 = 0.8;
/// How many words may differ where nothing else does.
const FEW: usize = 4;
/// A word of more items than this tells nothing about any two of them.
const MOST_ITEMS: usize = 200;

/// What is to be looked at among items of one scope and role, older ones first.
pub(super) fn findings(group: &[&Item], embeddings: &HashMap<&Id, &[f32]>) -> Vec<Finding> {
    let words: Vec<Words> = group
        .iter()
        .map(|item| Words::of(&item.content.text))
        .collect();
    let doubled = duplicates(group, &words);
    let copies: HashSet<usize> = doubled.iter().map(|(_, newer)| *newer).collect();
    let pair = |&(older, newer): &(usize, usize)| Finding::Duplicate {
        older: group[older].clone(),
        newer: group[newer].clone(),
    };
    let mut findings: Vec<Finding> = doubled.iter().map(pair).collect();
    // A copy is settled by its merge; only the first of them is compared further.
    let compared = |at: &usize| group[*at].content.kind != Kind::Episode && !copies.contains(at);
    let compared: Vec<usize> = (0..group.len()).filter(compared).collect();
    let contents = compared.iter().map(|&at| &words[at].content);
    let index = Index::of(contents.collect());
    let embedding = |place: usize| embeddings.get(&group[compared[place]].id).copied();
    for (older, newer) in index.candidates(&|place| embedding(place).is_some()) {
        let alike = jaccard(&index.ranks[older], &index.ranks[newer]) >= SAME_WORDS
            || cosine(embedding(older), embedding(newer)) >= SAME_MEANING;
        if !alike {
            continue;
        }
        let (older, newer) = (compared[older], compared[newer]);
        let differences = words[older].differences(&words[newer], FEW);
        if !differences.is_empty() {
            findings.push(Finding::Contradiction {
                older: group[older].clone(),
                newer: group[newer].clone(),
                differences,
            });
        }
    }
    findings
}

/// Items with the same words in whatever order and case, each with the first one that has them.
fn duplicates(group: &[&Item], words: &[Words]) -> Vec<(usize, usize)> {
    let mut first = HashMap::new();
    let mut pairs = Vec::new();
    for (at, item) in group.iter().enumerate() {
        let same = (item.content.kind, &words[at].all);
        if same.1.is_empty() {
            continue;
        }
        let earliest = *first.entry(same).or_insert(at);
        if earliest != at {
            pairs.push((earliest, at));
        }
    }
    pairs
}

/// The words of items as ranks: 0 for the rarest.
struct Index {
    /// Of each item, in order.
    ranks: Vec<Vec<usize>>,
    /// How many items have the word of each rank.
    counts: Vec<usize>,
}

impl Index {
    fn of(contents: Vec<&BTreeSet<String>>) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for word in contents.iter().copied().flatten() {
            *counts.entry(word).or_default() += 1;
        }
        let mut known: Vec<(usize, &str)> = counts.into_iter().map(|(word, n)| (n, word)).collect();
        known.sort();
        let rank: HashMap<&str, usize> = known.iter().map(|(_, word)| *word).zip(0..).collect();
        let ranks = |content: &BTreeSet<String>| {
            let mut ranks: Vec<usize> = content.iter().map(|word| rank[word.as_str()]).collect();
            ranks.sort();
            ranks
        };
        Self {
            ranks: contents.into_iter().map(ranks).collect(),
            counts: known.into_iter().map(|(count, _)| count).collect(),
        }
    }

    /// Pairs, the older one first, that have a word in common which is not in too many items. Two items
    /// that share half of their words share one of their rarer ones, so only those are looked up, unless
    /// items may also be alike in `meaning`.
    fn candidates(&self, meaning: &dyn Fn(usize) -> bool) -> Vec<(usize, usize)> {
        let mut holders: Vec<Vec<usize>> = vec![Vec::new(); self.counts.len()];
        let mut pairs = Vec::new();
        for (newer, ranks) in self.ranks.iter().enumerate() {
            let enough = match meaning(newer) {
                true => ranks.len(),
                false => ranks.len() - (SAME_WORDS * ranks.len() as f64).ceil() as usize + 1,
            };
            let telling = |rank: &&usize| self.counts[**rank] <= MOST_ITEMS;
            let mut older = Vec::new();
            for &rank in ranks.iter().take(enough).take_while(telling) {
                older.extend(&holders[rank]);
                holders[rank].push(newer);
            }
            older.sort();
            older.dedup();
            pairs.extend(older.into_iter().map(|older| (older, newer)));
        }
        pairs
    }
}

/// How much of the ranks of two items both have, in order each; 0 for two items without words.
fn jaccard(a: &[usize], b: &[usize]) -> f64 {
    let (mut at, mut shared) = (0, 0);
    for rank in b {
        at += a[at..].iter().take_while(|other| *other < rank).count();
        shared += usize::from(a.get(at) == Some(rank));
    }
    match a.len() + b.len() - shared {
        0 => 0.0,
        all => shared as f64 / all as f64,
    }
}

/// 0 where one of them has no embedding, or both are not of one model.
fn cosine(a: Option<&[f32]>, b: Option<&[f32]>) -> f64 {
    let (Some(a), Some(b)) = (a, b) else {
        return 0.0;
    };
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    match a.len() == b.len() && lengths > 0.0 {
        true => dot(a, b) / lengths,
        false => 0.0,
    }
}
