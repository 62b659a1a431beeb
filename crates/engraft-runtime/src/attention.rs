//! Attention of one position over the pages of its sequence.

use std::sync::Arc;

use rten_simd::SimdOp;
use rten_vecmath::Softmax;

use crate::{
    cache::{PAGE, Page},
    wide::wide,
};

/// Weights of one query head over the first `positions` positions, into `out` of that length.
/// `query` is `[head_width]`.
pub(crate) fn weights(query: &[f32], kv_head: usize, pages: &[Arc<Page>], out: &mut [f32]) {
    let width = query.len();
    let scale = 1.0 / (width as f32).sqrt();
    wide(
        #[inline(always)]
        || {
            for (page, out) in pages.iter().zip(out.chunks_mut(PAGE)) {
                let keys = &page.keys[kv_head * width * PAGE..(kv_head + 1) * width * PAGE];
                let mut scores = [0.0f32; PAGE];
                for (&q, keys) in query.iter().zip(keys.chunks_exact(PAGE)) {
                    for (score, &key) in scores.iter_mut().zip(keys) {
                        *score = q.mul_add(key, *score);
                    }
                }
                for (out, score) in out.iter_mut().zip(scores) {
                    *out = score * scale;
                }
            }
        },
    );
    Softmax::new_mut(out).dispatch();
}

/// The mean of the values under these weights, into `out` `[head_width]`.
pub(crate) fn mix(weights: &[f32], kv_head: usize, pages: &[Arc<Page>], out: &mut [f32]) {
    let width = out.len();
    wide(
        #[inline(always)]
        || {
            out.fill(0.0);
            for (page, weights) in pages.iter().zip(weights.chunks(PAGE)) {
                let values = &page.values[kv_head * PAGE * width..(kv_head + 1) * PAGE * width];
                for (&weight, values) in weights.iter().zip(values.chunks_exact(width)) {
                    for (out, &value) in out.iter_mut().zip(values) {
                        *out = weight.mul_add(value, *out);
                    }
                }
            }
        },
    );
}
