//! Attention of a few queries over the pages that all of them see.

mod added;

use std::sync::Arc;

use rten_simd::SimdOp;
use rten_vecmath::Softmax;

use self::added::Added;
use crate::cache::{PAGE, Page};

/// Weights of queries `[queries, head_width]`, each over so many first positions, into
/// `[queries, pages * 64]`: 0 from there on.
pub(crate) fn weights(
    queries: &[f32],
    positions: &[usize],
    kv_head: usize,
    pages: &[Arc<Page>],
    out: &mut [f32],
) {
    let (width, stride) = (queries.len() / positions.len(), pages.len() * PAGE);
    let scale = 1.0 / (width as f32).sqrt();
    out.fill(0.0);
    for (at, page) in pages.iter().enumerate() {
        let keys = Added {
            rows: positions.len(),
            factors: Table(queries, width),
            matrix: &page.keys[kv_head * width * PAGE..(kv_head + 1) * width * PAGE],
            columns: PAGE,
            out: &mut out[at * PAGE..],
            stride,
        };
        keys.dispatch();
    }
    for (out, &positions) in out.chunks_exact_mut(stride).zip(positions) {
        let (seen, beyond) = out.split_at_mut(positions);
        seen.iter_mut().for_each(|score| *score *= scale);
        Softmax::new_mut(seen).dispatch();
        beyond.fill(0.0);
    }
}

/// Means of the values of the first `positions` under weights `[queries, stride]`, into
/// `[queries, head_width]`.
pub(crate) fn mix(
    weights: Table<'_>,
    positions: usize,
    kv_head: usize,
    pages: &[Arc<Page>],
    width: usize,
    out: &mut [f32],
) {
    out.fill(0.0);
    for (at, page) in pages.iter().enumerate() {
        let seen = PAGE.min(positions - at * PAGE);
        let values = Added {
            rows: out.len() / width,
            factors: Table(&weights.0[at * PAGE..], weights.1),
            matrix: &page.values[kv_head * PAGE * width..][..seen * width],
            columns: width,
            out: &mut *out,
            stride: width,
        };
        values.dispatch();
    }
}

/// Numbers whose rows begin so far apart.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub &'a [f32], pub usize);
