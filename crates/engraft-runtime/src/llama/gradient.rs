//! The gradient of one more token's logits by a shift of the cached keys and values, written out.
//!
//! The forward pass is the model's own, on a copy of the cache with the shift added; a probe keeps the
//! residual stream and the attention weights. The way back computes queries and the inner numbers of
//! the MLP again and goes through the transposed weights in 32-bit floats. Where activations are rounded
//! to eight bits, it takes the rounding for no change at all: the gradient is that of the model with
//! these weights without rounding, at the activations that rounding led to.

mod attention;
#[cfg(test)]
mod tests;

use self::attention::Attention;
use super::{
    Block, Llama,
    pass::{norm, turn},
};
use crate::{
    Ask, Blind, CacheGradient, CausalLm, Feed, Probe, Row, RuntimeError, Sequence, Site, Stream,
    matrix::{Input, Matrix},
    wide::{dot, wide},
};

impl CacheGradient for Llama {
    type Past = Sequence;

    fn sizes(&self, past: &Sequence) -> Vec<usize> {
        let shape = self.shape;
        vec![2 * shape.kv_heads * past.len() * shape.head_width; shape.blocks]
    }

    /// # Panics
    /// A shift of other sizes than [`CacheGradient::sizes`].
    fn logits(
        &self,
        past: &Sequence,
        shift: &[Vec<f32>],
        token: u32,
    ) -> Result<Vec<f32>, RuntimeError> {
        let (logits, _) = self.read(past, shift, token, &mut Blind)?;
        Ok(logits)
    }

    /// # Panics
    /// A shift of other sizes than [`CacheGradient::sizes`], or a slope that is not `[vocab]`.
    fn gradient(
        &self,
        past: &Sequence,
        shift: &[Vec<f32>],
        token: u32,
        slope: &mut dyn FnMut(&[f32]) -> Vec<f32>,
    ) -> Result<Vec<Vec<f32>>, RuntimeError> {
        let mut kept = Kept::default();
        let (logits, read) = self.read(past, shift, token, &mut kept)?;
        Ok(self.back(&slope(&logits), &read, &kept))
    }
}

/// What a forward pass of one token leaves for the way back.
#[derive(Default)]
struct Kept {
    /// The residual stream before every block and after the last, `[width]` each.
    entered: Vec<Vec<f32>>,
    /// The same between attention and MLP of every block.
    middle: Vec<Vec<f32>>,
    /// Attention weights of every block, `[heads, positions]`.
    weights: Vec<Vec<f32>>,
}

impl Probe for Kept {
    fn wants(&self, site: Site) -> bool {
        !matches!(site, Site::Heads(_))
    }

    fn at(&mut self, site: Site, _rows: &[Row], values: &mut [f32]) {
        let kept = match site {
            Site::Embeddings | Site::After(_) => &mut self.entered,
            Site::Middle(_) => &mut self.middle,
            Site::Attention(_) => &mut self.weights,
            Site::Heads(_) => return,
        };
        kept.push(values.to_vec());
    }
}

impl Llama {
    /// Logits after one more token, and the shifted past with it.
    fn read(
        &self,
        past: &Sequence,
        shift: &[Vec<f32>],
        token: u32,
        probe: &mut dyn Probe,
    ) -> Result<(Vec<f32>, Sequence), RuntimeError> {
        let mut stream = past.shifted(shift, &self.team);
        let mut feeds = [Feed {
            stream: &mut stream,
            tokens: &[token],
            ask: Ask::Last,
        }];
        let logits = self.forward(&mut feeds, probe)?;
        Ok((logits, stream))
    }

    /// From slopes by the logits to slopes by every block's cache. `read` ends with the token.
    fn back(&self, slope: &[f32], read: &Sequence, kept: &Kept) -> Vec<Vec<f32>> {
        let head = self.head.as_ref().unwrap_or(&self.embed);
        let last = &kept.entered[self.blocks.len()];
        let mut by_x = vec![0.0; last.len()];
        let by_normed = self.transposed([(head, slope)]);
        self.norm_back(last, &self.norm, &by_normed, &mut by_x);
        let mut slopes = vec![Vec::new(); self.blocks.len()];
        for (index, block) in self.blocks.iter().enumerate().rev() {
            self.mlp_back(block, &kept.middle[index], &mut by_x);
            slopes[index] = self.attention_back(index, read, kept, &mut by_x);
        }
        slopes
    }

    /// Turns slopes by the residual stream after an MLP into those by `x`, the stream before it.
    fn mlp_back(&self, block: &Block, x: &[f32], by_x: &mut [f32]) {
        let normed = self.normed(x, &block.post_norm);
        let mut gate = self.product(&block.gate, &normed);
        let mut up = self.product(&block.up, &normed);
        let by_inner = self.transposed([(&block.down, by_x)]);
        for ((gate, up), slope) in gate.iter_mut().zip(&mut up).zip(by_inner) {
            let open = 1.0 / (1.0 + (-*gate).exp());
            let by_up = slope * *gate * open;
            *gate = slope * *up * open * (1.0 + *gate * (1.0 - open));
            *up = by_up;
        }
        let by_normed = self.transposed([(&block.gate, &gate), (&block.up, &up)]);
        self.norm_back(x, &block.post_norm, &by_normed, by_x);
    }

    /// Turns slopes by the residual stream after a block's attention into those by the stream before
    /// it; returns those by the block's cache, `[2, kv_heads, positions, head_width]`.
    fn attention_back(
        &self,
        index: usize,
        read: &Sequence,
        kept: &Kept,
        by_x: &mut [f32],
    ) -> Vec<f32> {
        let (block, x) = (&self.blocks[index], &kept.entered[index]);
        let mut turns = self.turns(&[Row {
            feed: 0,
            position: read.len() - 1,
            last: true,
        }]);
        let normed = self.normed(x, &block.input_norm);
        let mut query = self.product(&block.q, &normed);
        self.turn_heads(&mut query, block.q_norm.as_deref(), &turns);
        let attention = Attention {
            shape: self.shape,
            pages: &read.blocks[index],
            weights: &kept.weights[index],
            query: &query,
        };
        let by_heads = self.transposed([(&block.o, by_x)]);
        let mut slopes = attention.back(&by_heads, &self.team);
        // Slopes turn the other way.
        let half = turns.len() / 2;
        turns[half..].iter_mut().for_each(|sine| *sine = -*sine);
        turn(&mut slopes.query, &turns);
        turn(&mut slopes.key, &turns);
        let heads_back = |matrix: &Matrix, weight: &Option<Vec<f32>>, slope: Vec<f32>| {
            let Some(weight) = weight else { return slope };
            let mut by_heads = vec![0.0; slope.len()];
            let heads = self.product(matrix, &normed);
            self.norm_back(&heads, weight, &slope, &mut by_heads);
            by_heads
        };
        let by_normed = self.transposed([
            (&block.q, &heads_back(&block.q, &block.q_norm, slopes.query)),
            (&block.k, &heads_back(&block.k, &block.k_norm, slopes.key)),
            (&block.v, &slopes.value),
        ]);
        self.norm_back(x, &block.input_norm, &by_normed, by_x);
        slopes.cache
    }

    fn normed(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut normed = vec![0.0; x.len()];
        norm(x, weight, self.spec.rms_norm_eps, &mut normed);
        normed
    }

    /// What the forward pass has of a row.
    fn product(&self, matrix: &Matrix, x: &[f32]) -> Vec<f32> {
        let (mut input, mut out) = (Input::default(), vec![0.0; matrix.rows]);
        matrix.prepare(x, &mut input, &self.team);
        matrix.apply(x, &input, &mut out, self.kernel, &self.team);
        out
    }

    /// Slopes by what matrices of as many columns read, from the slopes by what each gave.
    fn transposed<const N: usize>(&self, given: [(&Matrix, &[f32]); N]) -> Vec<f32> {
        let mut slopes = vec![0.0; given[0].0.columns];
        for (matrix, slope) in given {
            matrix.transposed(slope, &mut slopes, &self.team);
        }
        slopes
    }

    /// Adds to `by_x` the slopes by rows `x`, from those by their [`norm`].
    fn norm_back(&self, x: &[f32], weight: &[f32], slope: &[f32], by_x: &mut [f32]) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(slope.chunks_exact(width));
        let rows = rows.zip(by_x.chunks_exact_mut(width));
        wide(
            #[inline(always)]
            || {
                for ((x, slope), by_x) in rows {
                    let square = dot(x, x) / width as f32 + self.spec.rms_norm_eps as f32;
                    let factor = 1.0 / square.sqrt();
                    let scaled = slope
                        .iter()
                        .zip(weight)
                        .map(|(slope, weight)| slope * weight);
                    let along = scaled
                        .clone()
                        .zip(x)
                        .map(|(slope, x)| slope * x)
                        .sum::<f32>();
                    let along = along / (square * width as f32);
                    for ((by_x, slope), x) in by_x.iter_mut().zip(scaled).zip(x) {
                        *by_x += factor * (slope - x * along);
                    }
                }
            },
        );
    }
}
