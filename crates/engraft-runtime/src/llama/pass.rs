//! One pass of a chunk of rows through all blocks.

use super::{
    Block, Llama,
    look::{Look, spans},
};
use crate::{
    Feed, Probe, Row, Site, Stream,
    attention::Table,
    cache::Sequence,
    matrix::{Input, Product, Rows, apply},
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
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
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
        let width = shape.head_width;
        let (q_row, k_row) = (shape.heads * width, shape.kv_heads * width);
        let Work { normed, input, .. } = work;
        normed.resize(x.len(), 0.0);
        self.normalise(x, &block.input_norm, normed);
        block.q.prepare(normed, input, &self.team);
        let (q, k, v) = (&mut work.q, &mut work.k, &mut work.v);
        q.resize(at.len() * q_row, 0.0);
        k.resize(at.len() * k_row, 0.0);
        v.resize(at.len() * k_row, 0.0);
        let products = [
            Product::new(&block.q, q),
            Product::new(&block.k, k),
            Product::new(&block.v, v),
        ];
        apply(normed, input, products, self.kernel, &self.team);
        self.turn_heads(q, block.q_norm.as_deref(), turns);
        self.turn_heads(k, block.k_norm.as_deref(), turns);
        let written = k.chunks_exact(k_row).zip(v.chunks_exact(k_row));
        for (at, (k, v)) in at.iter().zip(written) {
            feeds[at.feed].stream.write(index, at.position, k, v);
        }
        let streams: Vec<&Sequence> = feeds.iter().map(|feed| &*feed.stream).collect();
        let look = Look {
            shape,
            index,
            streams: &streams,
            at,
            q,
        };
        if probe.wants(Site::Attention(index)) {
            for row in 0..at.len() {
                let positions = at[row].position + 1;
                let mut all = Vec::with_capacity(shape.heads * positions);
                for kv_head in 0..shape.kv_heads {
                    let weights = look.weights(row..row + 1, kv_head);
                    let rows = weights.chunks_exact(weights.len() / look.shared());
                    rows.for_each(|weights| all.extend_from_slice(&weights[..positions]));
                }
                probe.at(Site::Attention(index), &at[row..row + 1], &mut all);
                let of_group = look.shared() * positions;
                let outs =
                    heads[row * q_row..(row + 1) * q_row].chunks_exact_mut(look.shared() * width);
                for (kv_head, out) in outs.enumerate() {
                    let weights = Table(&all[kv_head * of_group..][..of_group], positions);
                    look.mix(row..row + 1, kv_head, weights, out);
                }
            }
            return;
        }
        let place = Rows::new(heads);
        let spans = spans(at);
        self.team.run(spans.len() * shape.kv_heads, &|tile| {
            let (rows, kv_head) = (&spans[tile / shape.kv_heads], tile % shape.kv_heads);
            let weights = look.weights(rows.clone(), kv_head);
            let of_row = look.shared() * width;
            let mut found = vec![0.0; rows.len() * of_row];
            let stride = weights.len() / (rows.len() * look.shared());
            look.mix(rows.clone(), kv_head, Table(&weights, stride), &mut found);
            for (row, found) in rows.clone().zip(found.chunks_exact(of_row)) {
                // SAFETY: every head of a row is one tile's own.
                let out = unsafe { place.part(row * q_row + kv_head * of_row, of_row) };
                out.copy_from_slice(found);
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
        let product = [Product::added(&block.o, x)];
        apply(heads, &work.input, product, self.kernel, &self.team);
    }

    /// Adds what the MLP gives.
    pub(super) fn add_mlp(&self, block: &Block, x: &mut [f32], work: &mut Work) {
        let Work {
            normed,
            input,
            gate,
            up,
            ..
        } = work;
        let inner = x.len() / self.shape.width * block.gate.rows;
        normed.resize(x.len(), 0.0);
        gate.resize(inner, 0.0);
        up.resize(inner, 0.0);
        self.normalise(x, &block.post_norm, normed);
        block.gate.prepare(normed, input, &self.team);
        let products = [Product::new(&block.gate, gate), Product::new(&block.up, up)];
        apply(normed, input, products, self.kernel, &self.team);
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
        let product = [Product::added(&block.down, x)];
        apply(gate, input, product, self.kernel, &self.team);
    }

    /// Norms every head of rows, where the model does so, and turns it by its position.
    pub(super) fn turn_heads(&self, heads: &mut [f32], weight: Option<&[f32]>, turns: &[f32]) {
        let width = self.shape.head_width;
        let rows = turns.len() / width;
        let (row, place) = (heads.len() / rows, Rows::new(heads));
        self.team.split(rows, 16, &|range| {
            for at in range {
                // SAFETY: every row is one tile's own.
                let heads = unsafe { place.row(at, row) };
                if let Some(weight) = weight {
                    let given = heads.to_vec();
                    norm(&given, weight, self.spec.rms_norm_eps, heads);
                }
                turn(heads, &turns[at * width..(at + 1) * width]);
            }
        });
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
