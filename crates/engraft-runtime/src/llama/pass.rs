//! One pass of a chunk of rows through all blocks.

use super::{Block, Llama};
use crate::{
    Feed, Probe, Row, Site, Stream, attention,
    cache::{PAGE, Sequence},
    matrix::{Input, Matrix, Rows},
    wide::{dot, wide},
};

/// A token of a feed.
pub(super) struct Token {
    pub at: Row,
    pub id: u32,
}

/// All tokens, feed by feed.
pub(super) fn rows(feeds: &[Feed<'_, Sequence>]) -> Vec<Token> {
    let of_feed = |(feed, given): (usize, &Feed<'_, Sequence>)| {
        let (start, count) = (given.stream.len(), given.tokens.len());
        let tokens = given.tokens.iter().enumerate();
        let rows = tokens.map(move |(at, &id)| Token {
            id,
            at: Row {
                feed,
                position: start + at,
                last: at + 1 == count,
            },
        });
        rows.collect::<Vec<_>>()
    };
    feeds.iter().enumerate().flat_map(of_feed).collect()
}

/// Memory that the blocks of a pass share.
#[derive(Default)]
pub(super) struct Work {
    normed: Vec<f32>,
    input: Input,
    added: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

/// `x / rms(x) * weight` row by row.
pub(super) fn norm(x: &[f32], weight: &[f32], eps: f64, out: &mut [f32]) {
    let width = weight.len();
    wide(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                let mean = dot(x, x) / width as f32;
                let factor = 1.0 / (mean + eps as f32).sqrt();
                for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                    *out = x * factor * weight;
                }
            }
        },
    );
}

impl Llama {
    /// The residual states `[rows, width]` after the last block.
    pub(super) fn pass(
        &self,
        feeds: &mut [Feed<'_, Sequence>],
        tokens: &[Token],
        probe: &mut dyn Probe,
    ) -> Vec<f32> {
        let (shape, rows) = (self.shape, tokens.len());
        let at: Vec<Row> = tokens.iter().map(|token| token.at).collect();
        let mut x = vec![0.0; rows * shape.width];
        for (token, x) in tokens.iter().zip(x.chunks_exact_mut(shape.width)) {
            self.embed.row(token.id as usize, x);
        }
        if probe.wants(Site::Embeddings) {
            probe.at(Site::Embeddings, &at, &mut x);
        }
        let turns = self.turns(&at);
        let mut work = Work::default();
        let mut heads = vec![0.0; rows * shape.heads * shape.head_width];
        for (index, block) in self.blocks.iter().enumerate() {
            self.attend(index, feeds, &at, &x, &turns, &mut heads, &mut work, probe);
            if probe.wants(Site::Heads(index)) {
                probe.at(Site::Heads(index), &at, &mut heads);
            }
            self.add_attention(block, &heads, &mut x, &mut work);
            if probe.wants(Site::Middle(index)) {
                probe.at(Site::Middle(index), &at, &mut x);
            }
            self.add_mlp(block, &mut x, &mut work);
            if probe.wants(Site::After(index)) {
                probe.at(Site::After(index), &at, &mut x);
            }
        }
        x
    }

    /// Cosines and sines `[rows, head_width]`, the cosines first.
    pub(super) fn turns(&self, at: &[Row]) -> Vec<f32> {
        let frequencies = self.spec.frequencies();
        let mut turns = Vec::with_capacity(at.len() * self.shape.head_width);
        for row in at {
            let angles = frequencies.iter().map(|speed| row.position as f64 * speed);
            turns.extend(angles.clone().map(|angle| angle.cos() as f32));
            turns.extend(angles.map(|angle| angle.sin() as f32));
        }
        turns
    }

    /// Queries, keys and values of a block; keys and values go into the sequences, what the heads
    /// give into `heads` `[rows, heads * head_width]`.
    #[allow(clippy::too_many_arguments)]
    fn attend(
        &self,
        index: usize,
        feeds: &mut [Feed<'_, Sequence>],
        at: &[Row],
        x: &[f32],
        turns: &[f32],
        heads: &mut [f32],
        work: &mut Work,
        probe: &mut dyn Probe,
    ) {
        let (shape, block) = (self.shape, &self.blocks[index]);
        work.normed.resize(x.len(), 0.0);
        self.normalise(x, &block.input_norm, &mut work.normed);
        block.q.prepare(&work.normed, &mut work.input, &self.team);
        let project = |matrix: &Matrix| {
            let mut out = vec![0.0; at.len() * matrix.rows];
            matrix.apply(&work.normed, &work.input, &mut out, self.kernel, &self.team);
            out
        };
        let mut q = self.norm_heads(project(&block.q), block.q_norm.as_deref());
        let mut k = self.norm_heads(project(&block.k), block.k_norm.as_deref());
        let v = project(&block.v);
        let width = shape.head_width;
        let (q_row, k_row) = (shape.heads * width, shape.kv_heads * width);
        for (row, at) in at.iter().enumerate() {
            let turns = &turns[row * width..(row + 1) * width];
            turn(&mut q[row * q_row..(row + 1) * q_row], turns);
            let k = &mut k[row * k_row..(row + 1) * k_row];
            turn(k, turns);
            let v = &v[row * k_row..(row + 1) * k_row];
            feeds[at.feed].stream.write(index, at.position, k, v);
        }
        let streams: Vec<&Sequence> = feeds.iter().map(|feed| &*feed.stream).collect();
        let shared = shape.heads / shape.kv_heads;
        let seen = |row: usize| {
            let pages = &streams[at[row].feed].blocks[index];
            &pages[..at[row].position / PAGE + 1]
        };
        let query = |row: usize, head: usize| &q[row * q_row + head * width..][..width];
        if probe.wants(Site::Attention(index)) {
            for row in 0..at.len() {
                let positions = at[row].position + 1;
                let mut all = vec![0.0; shape.heads * positions];
                for (head, out) in all.chunks_exact_mut(positions).enumerate() {
                    attention::weights(query(row, head), head / shared, seen(row), out);
                }
                probe.at(Site::Attention(index), &at[row..row + 1], &mut all);
                for (head, weights) in all.chunks_exact(positions).enumerate() {
                    let out = &mut heads[row * q_row + head * width..][..width];
                    attention::mix(weights, head / shared, seen(row), out);
                }
            }
            return;
        }
        let place = Rows::new(heads);
        self.team.run(at.len() * shape.kv_heads, &|tile| {
            let (row, kv_head) = (tile / shape.kv_heads, tile % shape.kv_heads);
            let mut weights = vec![0.0; at[row].position + 1];
            for head in kv_head * shared..(kv_head + 1) * shared {
                attention::weights(query(row, head), kv_head, seen(row), &mut weights);
                // SAFETY: every head of a row is one tile's own.
                let out = unsafe { place.part(row * q_row + head * width, width) };
                attention::mix(&weights, kv_head, seen(row), out);
            }
        });
    }

    /// Adds what the heads give, through the output projection.
    pub(super) fn add_attention(
        &self,
        block: &Block,
        heads: &[f32],
        x: &mut [f32],
        work: &mut Work,
    ) {
        block.o.prepare(heads, &mut work.input, &self.team);
        work.added.resize(x.len(), 0.0);
        let Work { input, added, .. } = work;
        block.o.apply(heads, input, added, self.kernel, &self.team);
        add(x, added);
    }

    /// Adds what the MLP gives.
    pub(super) fn add_mlp(&self, block: &Block, x: &mut [f32], work: &mut Work) {
        let Work {
            normed,
            input,
            added,
            gate,
            up,
        } = work;
        let inner = x.len() / self.shape.width * block.gate.rows;
        normed.resize(x.len(), 0.0);
        gate.resize(inner, 0.0);
        up.resize(inner, 0.0);
        added.resize(x.len(), 0.0);
        self.normalise(x, &block.post_norm, normed);
        block.gate.prepare(normed, input, &self.team);
        block
            .gate
            .apply(normed, input, gate, self.kernel, &self.team);
        block.up.apply(normed, input, up, self.kernel, &self.team);
        let place = Rows::new(gate);
        self.team.split(inner, 4096, &|range| {
            // SAFETY: every range is one tile's own.
            let gate = unsafe { place.part(range.start, range.len()) };
            use rten_simd::SimdUnaryOp;
            rten_vecmath::Silu {}.map_mut(gate);
            wide(
                #[inline(always)]
                || gate.iter_mut().zip(&up[range]).for_each(|(g, up)| *g *= up),
            );
        });
        block.down.prepare(gate, input, &self.team);
        block
            .down
            .apply(gate, input, added, self.kernel, &self.team);
        add(x, added);
    }

    /// Every head `[head_width]` normed by itself, where the model does so.
    pub(super) fn norm_heads(&self, heads: Vec<f32>, weight: Option<&[f32]>) -> Vec<f32> {
        let Some(weight) = weight else { return heads };
        let mut normed = vec![0.0; heads.len()];
        self.normalise(&heads, weight, &mut normed);
        normed
    }

    fn normalise(&self, x: &[f32], weight: &[f32], out: &mut [f32]) {
        let (width, place) = (weight.len(), Rows::new(out));
        self.team.split(x.len() / width, 16, &|range| {
            let numbers = range.start * width..range.end * width;
            // SAFETY: every range of rows is one tile's own.
            let out = unsafe { place.part(numbers.start, numbers.len()) };
            norm(&x[numbers], weight, self.spec.rms_norm_eps, out);
        });
    }
}

fn add(x: &mut [f32], more: &[f32]) {
    wide(
        #[inline(always)]
        || x.iter_mut().zip(more).for_each(|(x, more)| *x += more),
    );
}

/// Turns every head of a row: its halves against each other.
pub(super) fn turn(row: &mut [f32], turns: &[f32]) {
    let half = turns.len() / 2;
    let (cos, sin) = turns.split_at(half);
    wide(
        #[inline(always)]
        || {
            for head in row.chunks_exact_mut(2 * half) {
                let (low, high) = head.split_at_mut(half);
                for ((low, high), (cos, sin)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
                    let (a, b) = (*low, *high);
                    *low = a * cos - b * sin;
                    *high = b * cos + a * sin;
                }
            }
        },
    );
}
