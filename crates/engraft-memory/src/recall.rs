//! Finding items: by their words, by their meaning, or by both.
//!
//! A [`Recall`] keeps an index of a store's current items in memory and follows the store's log, so that what other
//! programs write is found at the next question. Writing to a store needs no model: embeddings of new
//! items are computed when somebody asks, and kept in the store.

mod fusion;
mod index;
mod then;

use std::fmt;

use crate::{
    Filter, Id, Item, MemoryError, State, Store,
    retrieval::{
        fusion::{Near, Offer, Scored, Text, budget, deduplicate, minmax_sum, mmr, rrf},
        mem0, tokens,
    },
};
use index::Index;

pub use fusion::Fusion;
pub use then::ask_then;

/// What turns texts into vectors whose cosine says how close they are.
pub trait Embedder: Send + Sync {
    /// Embeddings are kept under this name.
    fn name(&self) -> &str;

    /// One vector a text, all of one width.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MemoryError>;
}

/// A question to a memory.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub text: &'a str,
    pub filter: Filter,
    /// Items at most.
    pub most: usize,
    /// Tokens of all items together (a quarter of their characters), for prompts.
    pub tokens: Option<usize>,
    pub fusion: Fusion,
    /// Below 1, what resembles an item before it comes later (maximal marginal relevance).
    pub lambda: f64,
}

impl<'a> Ask<'a> {
    /// The ten best.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            filter: Filter::default(),
            most: 10,
            tokens: None,
            fusion: Fusion::default(),
            lambda: 1.0,
        }
    }
}

/// An item that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub item: Item,
    /// Comparable within one answer only: scores of two questions do not compare.
    pub score: f64,
}

/// An item that was found and is not shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Omitted {
    pub id: Id,
    pub why: Why,
}

/// Why an item is not shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// It says what that one says.
    Repeats(Id),
    /// It has so many tokens, and so many were left.
    TooLong { tokens: usize, room: usize },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeats(other) => write!(f, "says what {other} says"),
            Self::TooLong { tokens, room } => {
                write!(f, "has {tokens} tokens, and {room} were left")
            }
        }
    }
}

impl fmt::Display for Omitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.why)
    }
}

/// The answer of a memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// Pinned ones first, then the best.
    pub found: Vec<Found>,
    pub omitted: Vec<Omitted>,
}

/// Candidates of each search, a multiple of what is asked for.
const CANDIDATES: usize = 10;
const LEAST_CANDIDATES: usize = 100;

/// An index over a store.
pub struct Recall {
    index: Index,
    embedder: Option<Box<dyn Embedder>>,
}

impl Recall {
    /// Reads a store. With an embedder, items without an embedding get one, which is kept in the store.
    pub fn open(
        store: &mut dyn Store,
        embedder: Option<Box<dyn Embedder>>,
    ) -> Result<Self, MemoryError> {
        let index = Index::of(store, embedder.as_deref())?;
        Ok(Self { index, embedder })
    }

    /// Items that can be found.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Answers, after it has caught up with the store.
    pub fn ask(&mut self, store: &mut dyn Store, ask: &Ask<'_>) -> Result<Recalled, MemoryError> {
        self.index.follow(store, self.embedder.as_deref())?;
        let ranked = self.ranked(ask)?;
        let pinned = self.index.pinned(&ask.filter);
        let rest = ranked.into_iter().filter(|(id, _)| !pinned.contains(id));
        let order: Vec<(Id, f64)> = pinned
            .iter()
            .map(|id| (id.clone(), f64::INFINITY))
            .chain(rest)
            .collect();
        self.answer(store, ask, order)
    }

    /// Names with scores, best first.
    fn ranked(&self, ask: &Ask<'_>) -> Result<Vec<(Id, f64)>, MemoryError> {
        let most = match ask.fusion {
            Fusion::Mem0 { .. } => mem0::fetched(ask.most),
            _ => LEAST_CANDIDATES.max(ask.most.saturating_mul(CANDIDATES)),
        };
        let index = &self.index;
        let by_words = || index.by_words(ask.text, &ask.filter, most);
        let vector = match (&self.embedder, ask.fusion) {
            (None, _) | (_, Fusion::Words) => return by_words(),
            (Some(embedder), _) => embedder.embed(&[ask.text])?.pop(),
        };
        let Some(vector) = vector.filter(|vector| vector.iter().any(|x| *x != 0.0)) else {
            return by_words();
        };
        let by_meaning = || index.by_meaning(&vector, &ask.filter, most);
        let both = || {
            let (words, meaning) = rayon::join(by_words, by_meaning);
            Ok::<_, MemoryError>((words?, meaning?))
        };
        Ok(match ask.fusion {
            Fusion::Words | Fusion::Meaning => by_meaning()?,
            Fusion::Rrf(settings) => {
                let names =
                    |list: Vec<(Id, f64)>| list.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
                let (words, meaning) = both()?;
                rrf(&[names(words), names(meaning)], &settings)
            }
            Fusion::MinmaxSum { meaning: weight } => {
                let (words, meaning) = both()?;
                minmax_sum(&[
                    Scored {
                        hits: &words,
                        weight: 1.0 - weight,
                    },
                    Scored {
                        hits: &meaning,
                        weight,
                    },
                ])
            }
            Fusion::Mem0 { threshold } => {
                let words = index.by_bm25(ask.text, &ask.filter, most)?;
                mem0::fused(&by_meaning()?, &words, tokens(ask.text).len(), threshold)
            }
        })
    }

    /// The items behind an order, without repetitions, within the budget.
    fn answer(
        &self,
        store: &dyn Store,
        ask: &Ask<'_>,
        order: Vec<(Id, f64)>,
    ) -> Result<Recalled, MemoryError> {
        // A few more than asked for, as some will go.
        let wanted = ask.most.saturating_mul(2).saturating_add(10);
        let mut found = Vec::new();
        for (id, score) in order.into_iter().take(wanted) {
            // What was changed since the index caught up is seen as it is now.
            if let Some(item) = store.get(&id)?.filter(|item| item.state == State::Current) {
                found.push(Found { item, score });
            }
        }
        let mut recalled = Recalled::default();
        let found = self.without_repetitions(found, &mut recalled);
        let mut found = self.diverse(found, ask);
        found.truncate(ask.most);
        recalled.found = match ask.tokens {
            None => found,
            Some(tokens) => within(found, tokens, &mut recalled.omitted),
        };
        Ok(recalled)
    }

    fn without_repetitions(&self, found: Vec<Found>, recalled: &mut Recalled) -> Vec<Found> {
        let texts: Vec<Text<'_>> = found
            .iter()
            .map(|found| Text {
                text: &found.item.content.text,
                vector: None,
            })
            .collect();
        let unique = deduplicate(&texts, Some(&Near::default()));
        recalled
            .omitted
            .extend(unique.dropped.iter().map(|dropped| Omitted {
                id: found[dropped.index].item.id.clone(),
                why: Why::Repeats(found[dropped.of].item.id.clone()),
            }));
        let mut kept = unique.kept.into_iter().peekable();
        let found = found.into_iter().enumerate();
        found
            .filter_map(|(index, found)| kept.next_if_eq(&index).map(|_| found))
            .collect()
    }

    /// Pinned ones stay first; the others by relevance and difference, where they have embeddings.
    fn diverse(&self, found: Vec<Found>, ask: &Ask<'_>) -> Vec<Found> {
        if ask.lambda >= 1.0 {
            return found;
        }
        let (mut first, rest): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|found| found.item.pinned);
        let relevance: Vec<f64> = rest.iter().map(|found| found.score).collect();
        let similarity =
            |a: usize, b: usize| self.index.similarity(&rest[a].item.id, &rest[b].item.id);
        let order = mmr(&relevance, similarity, ask.lambda, rest.len());
        first.extend(order.into_iter().map(|place| rest[place].clone()));
        first
    }
}

/// What fits; what does not is told.
fn within(found: Vec<Found>, tokens: usize, omitted: &mut Vec<Omitted>) -> Vec<Found> {
    let offers: Vec<Offer> = found
        .iter()
        .map(|found| Offer {
            tokens: found.item.content.text.chars().count().div_ceil(4),
            pinned: found.item.pinned,
        })
        .collect();
    let shown = budget(&offers, tokens);
    omitted.extend(shown.left_out.iter().map(|left| Omitted {
        id: found[left.index].item.id.clone(),
        why: Why::TooLong {
            tokens: left.tokens,
            room: left.room,
        },
    }));
    shown
        .taken
        .into_iter()
        .map(|place| found[place].clone())
        .collect()
}

#[cfg(test)]
mod tests;
