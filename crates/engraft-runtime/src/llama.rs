//! The Llama family, forward only: RMS norm, rotary positions, grouped queries, gated MLP.

mod gradient;
mod load;
mod look;
mod pass;

use engraft_files::LlamaSpec;

pub use load::{Loaded, Options};

use crate::{
    Ask, CausalLm, Feed, Kernel, Precision, Probe, RuntimeError, Shape, Stream,
    cache::Sequence,
    matrix::{Input, Matrix},
    team::Team,
};

/// What happens between two residual states.
struct Block {
    input_norm: Vec<f32>,
    q: Matrix,
    k: Matrix,
    v: Matrix,
    o: Matrix,
    /// Norms of the heads of queries and keys, where the model has them: `[head_width]`.
    q_norm: Option<Vec<f32>>,
    k_norm: Option<Vec<f32>>,
    post_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

/// A model ready to decode.
pub struct Llama {
    spec: LlamaSpec,
    shape: Shape,
    embed: Matrix,
    blocks: Vec<Block>,
    norm: Vec<f32>,
    /// Its own head; otherwise the embedding is one.
    head: Option<Matrix>,
    precision: Precision,
    kernel: Kernel,
    team: Team,
}

/// Rows that go through the blocks together.
const CHUNK: usize = 256;

impl Llama {
    /// Threads at work, the caller counted.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// The instructions of the int8 products.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Logits `[rows, vocab]` of final residual states `[rows, width]`.
    fn logits(&self, states: &[f32]) -> Vec<f32> {
        let mut normed = vec![0.0; states.len()];
        pass::norm(states, &self.norm, self.spec.rms_norm_eps, &mut normed);
        self.head(&normed)
    }

    /// Weights of the final norm, `[width]`.
    pub fn final_norm(&self) -> &[f32] {
        &self.norm
    }

    fn check(&self, feeds: &[Feed<'_, Sequence>]) -> Result<(), RuntimeError> {
        for feed in feeds {
            let wanted = feed.stream.len() + feed.tokens.len();
            if wanted > self.shape.context {
                return Err(RuntimeError::Context {
                    wanted,
                    context: self.shape.context,
                });
            }
            let beyond = |token: &&u32| **token as usize >= self.shape.vocab;
            if let Some(&token) = feed.tokens.iter().find(beyond) {
                return Err(RuntimeError::Token {
                    token,
                    vocab: self.shape.vocab,
                });
            }
        }
        Ok(())
    }
}

impl CausalLm for Llama {
    type Stream = Sequence;

    fn shape(&self) -> Shape {
        self.shape
    }

    fn stream(&self) -> Sequence {
        Sequence::new(self.shape, self.precision)
    }

    fn forward(
        &self,
        feeds: &mut [Feed<'_, Sequence>],
        probe: &mut dyn Probe,
    ) -> Result<Vec<f32>, RuntimeError> {
        self.check(feeds)?;
        let rows = pass::rows(feeds);
        let mut asked = Vec::new();
        for rows in rows.chunks(CHUNK) {
            let states = self.pass(feeds, rows, probe);
            for (row, state) in rows.iter().zip(states.chunks_exact(self.shape.width)) {
                let ask = feeds[row.at.feed].ask;
                if ask == Ask::All || (ask == Ask::Last && row.at.last) {
                    asked.extend_from_slice(state);
                }
            }
        }
        for feed in feeds {
            feed.stream.grow(feed.tokens.len());
        }
        Ok(self.logits(&asked))
    }

    fn lens(&self, states: &[f32]) -> Vec<f32> {
        self.logits(states)
    }

    fn head(&self, states: &[f32]) -> Vec<f32> {
        let head = self.head.as_ref().unwrap_or(&self.embed);
        let rows = states.len() / self.shape.width;
        let (mut input, mut out) = (Input::default(), vec![0.0; rows * self.shape.vocab]);
        head.prepare(states, &mut input, &self.team);
        head.apply(states, &input, &mut out, self.kernel, &self.team);
        out
    }

    fn replay(
        &self,
        embeddings: &[f32],
        heads: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<Vec<f32>, RuntimeError> {
        let mut x = embeddings.to_vec();
        let rows = x.len() / self.shape.width;
        let mut given = vec![0.0; rows * self.shape.heads * self.shape.head_width];
        let mut work = pass::Work::default();
        for (index, block) in self.blocks.iter().enumerate() {
            heads(index, &mut given);
            self.add_attention(block, &given, &mut x, &mut work);
            self.add_mlp(block, &mut x, &mut work);
        }
        Ok(self.logits(&x))
    }
}
