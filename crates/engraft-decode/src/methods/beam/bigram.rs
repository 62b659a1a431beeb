//! A model small enough to write down: the next token depends on the last one and on its place.

use engraft_runtime::{Ask, CausalLm, Feed, Probe, RuntimeError, Shape, Stream};

/// Logits `table[last token] + places[index of the last token]`.
pub(crate) struct Bigram {
    table: Vec<f32>,
    places: Vec<f32>,
    vocab: usize,
}

/// The tokens fed so far.
#[derive(Clone)]
pub(crate) struct Fed(Vec<u32>);

impl Stream for Fed {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl Bigram {
    /// `table` is `[vocab, vocab]` and `places` `[context, vocab]`; without places the context has no
    /// end.
    pub fn new(table: Vec<f32>, places: Vec<f32>, vocab: usize) -> Self {
        Self {
            table,
            places,
            vocab,
        }
    }

    /// Row `at` of a matrix whose rows are as wide as the vocabulary; zeros of none.
    fn row<'a>(&self, matrix: &'a [f32], at: usize) -> impl Iterator<Item = f32> + 'a {
        let row = matrix.chunks_exact(self.vocab).nth(at).unwrap_or_default();
        let (numbers, missing) = (row.iter().copied(), self.vocab - row.len());
        numbers.chain(std::iter::repeat_n(0.0, missing))
    }
}

impl CausalLm for Bigram {
    type Stream = Fed;

    fn shape(&self) -> Shape {
        Shape {
            vocab: self.vocab,
            blocks: 0,
            heads: 0,
            kv_heads: 0,
            head_width: 0,
            width: 0,
            context: match self.places.len() / self.vocab {
                0 => usize::MAX,
                places => places,
            },
        }
    }

    fn stream(&self) -> Fed {
        Fed(Vec::new())
    }

    fn forward(
        &self,
        feeds: &mut [Feed<'_, Fed>],
        _probe: &mut dyn Probe,
    ) -> Result<Vec<f32>, RuntimeError> {
        let Shape { vocab, context, .. } = self.shape();
        for feed in feeds.iter() {
            let wanted = feed.stream.len() + feed.tokens.len();
            if wanted > context {
                return Err(RuntimeError::Context { wanted, context });
            }
            if let Some(&token) = feed.tokens.iter().find(|&&token| token as usize >= vocab) {
                return Err(RuntimeError::Token { token, vocab });
            }
        }
        let mut logits = Vec::new();
        for feed in feeds {
            for (at, &token) in feed.tokens.iter().enumerate() {
                let asked = match feed.ask {
                    Ask::Nothing => false,
                    Ask::Last => at + 1 == feed.tokens.len(),
                    Ask::All => true,
                };
                if asked {
                    let next = self.row(&self.table, token as usize);
                    let place = self.row(&self.places, feed.stream.len());
                    logits.extend(next.zip(place).map(|(next, place)| next + place));
                }
                feed.stream.0.push(token);
            }
        }
        Ok(logits)
    }

    /// It has no inner states.
    fn lens(&self, _states: &[f32]) -> Vec<f32> {
        Vec::new()
    }

    fn head(&self, _states: &[f32]) -> Vec<f32> {
        Vec::new()
    }

    fn replay(
        &self,
        _embeddings: &[f32],
        _heads: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<Vec<f32>, RuntimeError> {
        Ok(Vec::new())
    }
}
