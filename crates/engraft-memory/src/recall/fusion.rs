//! The ways to make one answer of what was found by words and by meaning.

use crate::retrieval::fusion::Rrf;

/// How the two searches become one list. Without an embedder all of them are [`Fusion::Words`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fusion {
    /// BM25 alone.
    Words,
    /// Cosine alone.
    Meaning,
    /// Reciprocal ranks of both.
    Rrf(Rrf),
    /// The sum of both scores, each from 0 to 1 among those found; `meaning` is the weight of the cosine, from 0 to 1.
    MinmaxSum { meaning: f64 },
    /// As mem0 ranks ([`mem0::fused`]): of the items whose cosine reaches the threshold ([`mem0::THRESHOLD`] there), by
    /// the sum of cosine and BM25 score, this one brought to 0 to 1 by a curve for so many words as the question has.
    /// mem0 also adds what entities link to a question; items have no such links, so nothing is added. A word that any
    /// item shares changes the scale of all scores: those of two questions do not compare.
    ///
    /// [`mem0::fused`]: crate::retrieval::mem0::fused
    /// [`mem0::THRESHOLD`]: crate::retrieval::mem0::THRESHOLD
    Mem0 { threshold: f64 },
}

impl Default for Fusion {
    fn default() -> Self {
        Self::MinmaxSum { meaning: 0.5 }
    }
}
