//! What a causal language model does for those who decode with it.

use crate::{Probe, RuntimeError};

/// Sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub vocab: usize,
    pub blocks: usize,
    /// Query heads.
    pub heads: usize,
    /// Heads of keys and values, each shared by `heads / kv_heads` queries.
    pub kv_heads: usize,
    pub head_width: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Most tokens of a stream.
    pub context: usize,
}

/// A sequence on its way through a model: the tokens fed so far with their keys and values.
///
/// A clone is a fork: it shares the past until one of both goes on. Beams are reordered by
/// reordering clones.
pub trait Stream: Clone {
    /// Tokens fed so far.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `len` tokens.
    fn truncate(&mut self, len: usize);
}

/// Which logits a feed asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// None: the tokens only fill the cache.
    Nothing,
    /// Those after the last token.
    #[default]
    Last,
    /// Those after every token: `tokens * vocab` numbers, so feed long texts in pieces.
    All,
}

/// Tokens for one stream.
pub struct Feed<'a, S> {
    pub stream: &'a mut S,
    pub tokens: &'a [u32],
    pub ask: Ask,
}

/// A causal language model, forward only.
pub trait CausalLm {
    type Stream: Stream;

    fn shape(&self) -> Shape;

    /// A new, empty sequence.
    fn stream(&self) -> Self::Stream;

    /// Feeds tokens to one or more streams in one pass over the weights. Returns the logits asked
    /// for, `[rows, vocab]`: feeds in order, tokens in order.
    ///
    /// # Errors
    /// A token beyond the vocabulary or a stream beyond the context: nothing was fed then.
    fn forward(
        &self,
        feeds: &mut [Feed<'_, Self::Stream>],
        probe: &mut dyn Probe,
    ) -> Result<Vec<f32>, RuntimeError>;

    /// Early-exit logits `[rows, vocab]` of residual states `[rows, width]`: final norm and head.
    fn lens(&self, states: &[f32]) -> Vec<f32>;

    /// The same without the final norm: the head alone.
    fn head(&self, states: &[f32]) -> Vec<f32>;

    /// Replays the blocks on rows of one residual stream each, `[rows, width]`, with given head
    /// outputs in place of attention: `heads(block, out)` fills `[rows, heads * head_width]`. Returns
    /// logits `[rows, vocab]`.
    fn replay(
        &self,
        embeddings: &[f32],
        heads: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<Vec<f32>, RuntimeError>;
}
