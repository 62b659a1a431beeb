//! Scaled dot-product attention, forward and backward, with grouped queries.

use burn::tensor::{Tensor, activation::softmax};

use crate::{attention_kernel, half::widened, node::Input};

/// Attention of `q` `[batch, heads, tokens, width]` over `k`, `v` `[batch, kv_heads, tokens, width]`
/// (`kv_heads` divides `heads`), scores scaled by `1/sqrt(width)`; output as `q`.
/// `causal`: position i sees positions up to i.
///
/// On the CPU in `f32` the map is never stored: a tile of queries at a time, recomputed from each
/// row's log-sum-exp on the way back (FlashAttention, Dao et al. 2022).
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, causal: bool) -> Tensor<4> {
    let every_row_sees = !causal || k.dims()[2] >= q.dims()[2];
    match (Input::of(&q), Input::of(&k), Input::of(&v)) {
        (Some(q), Some(k), Some(v)) if every_row_sees => {
            attention_kernel::attention([q, k, v], causal)
        }
        _ => composed(q, k, v, causal).0,
    }
}

/// The same and the attention map `[batch, heads, tokens, tokens]` (rows sum to 1), both
/// differentiable.
pub fn attention_with_map(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    causal: bool,
) -> (Tensor<4>, Tensor<4>) {
    composed(q, k, v, causal)
}

/// Attention with Burn's own operations: every backend, every element type.
pub fn composed(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, causal: bool) -> (Tensor<4>, Tensor<4>) {
    let [batch, heads, tokens, width] = q.dims();
    let kv_heads = k.dims()[1];
    let group = heads / kv_heads;
    let spread = |x: Tensor<4>| {
        if group == 1 {
            return x;
        }
        let [_, _, keys, width] = x.dims();
        x.reshape([batch, kv_heads, 1, keys, width])
            .repeat_dim(2, group)
            .reshape([batch, heads, keys, width])
    };
    let (k, v) = (spread(k), spread(v));
    let mut scores = q.matmul(k.transpose()) / (width as f64).sqrt();
    if causal {
        let keys = scores.dims()[3];
        let hidden = Tensor::<2>::ones([tokens, keys], &scores.device())
            .triu(1 + keys as i64 - tokens as i64)
            .bool()
            .unsqueeze::<4>()
            .expand([batch, heads, tokens, keys]);
        scores = scores.mask_fill(hidden, f32::NEG_INFINITY);
    }
    let map = softmax(widened(scores), 3).cast(v.dtype());
    (map.clone().matmul(v), map)
}
