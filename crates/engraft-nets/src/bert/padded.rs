//! Texts of different lengths side by side, and attention that sees only their tokens.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};

use crate::tokens::Rows;

/// Texts of one pass, filled up at their ends to the longest.
pub(super) struct Padded {
    /// `[batch * tokens]`
    pub ids: Tensor<1, Int>,
    pub rows: Rows,
    /// What each token weighs in the mean of its text, `[batch, 1, tokens]`.
    pub share: Tensor<3>,
    /// Added to scores, `[batch, 1, 1, tokens]`: 0 for a token, -inf for what fills up. Nothing where
    /// all texts are equally long.
    unseen: Option<Tensor<4>>,
}

impl Padded {
    /// Of texts with 1 token or more each.
    pub fn upload(texts: &[&[u32]], device: &Device) -> Self {
        let batch = texts.len();
        let tokens = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let (mut ids, mut share, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
        for (number, text) in (1..).zip(texts) {
            let end = number * tokens;
            ids.extend(text.iter().map(|&id| i64::from(id)));
            share.resize(share.len() + text.len(), 1.0 / text.len() as f32);
            unseen.resize(unseen.len() + text.len(), 0.0);
            // Any id that the model knows will do where nothing is seen.
            ids.resize(end, 0);
            share.resize(end, 0.0);
            unseen.resize(end, f32::NEG_INFINITY);
        }
        let filled = texts.iter().any(|text| text.len() < tokens);
        let unseen = TensorData::new(unseen, [batch, 1, 1, tokens]);
        Self {
            ids: Tensor::from_data(TensorData::new(ids, [batch * tokens]), device),
            rows: Rows { batch, tokens },
            share: Tensor::from_data(TensorData::new(share, [batch, 1, tokens]), device),
            unseen: filled.then(|| Tensor::from_data(unseen, device)),
        }
    }

    /// Attention in both directions over the tokens of each text; all `[batch, heads, tokens, width]`.
    pub fn attend(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let Some(unseen) = &self.unseen else {
            return engraft_ops::attention(q, k, v, false);
        };
        let width = q.dims()[3] as f64;
        let scores = q.matmul(k.transpose()) / width.sqrt() + unseen.clone();
        softmax(scores, 3).matmul(v)
    }
}
