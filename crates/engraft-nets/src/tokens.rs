//! What all causal language models share: token input, blocks with taps, attention heads.

use burn::tensor::{DType, Int, Tensor, TensorData};

use crate::{Batch, Input, Taps, Value};

/// Token ids and how they are laid out.
pub(crate) struct Tokens {
    pub ids: Tensor<1, Int>,
    pub rows: Rows,
}

/// How the rows of `[batch * tokens, width]` are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub batch: usize,
    pub tokens: usize,
}

impl Tokens {
    /// Uploads the ids next to `near`. Panics on other inputs: the plan refuses them.
    pub fn upload(batch: &Batch, near: &Tensor<2>) -> Self {
        let Input::Tokens { ids, shape } = &batch.input else {
            panic!("a language model reads tokens");
        };
        let numbers: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let data = TensorData::new(numbers, [ids.len()]);
        Self {
            ids: Tensor::from_data(data, &near.device()),
            rows: Rows {
                batch: shape[0],
                tokens: shape[1],
            },
        }
    }
}

impl Rows {
    pub fn count(self) -> usize {
        self.batch * self.tokens
    }

    /// `[batch * tokens, heads * width]` as `[batch, heads, tokens, width]`.
    pub fn split_heads(self, x: Tensor<2>, heads: usize) -> Tensor<4> {
        let width = x.dims()[1] / heads;
        x.reshape([self.batch, self.tokens, heads, width])
            .swap_dims(1, 2)
    }

    /// The reverse of [`Rows::split_heads`].
    pub fn join_heads(self, x: Tensor<4>) -> Tensor<2> {
        let [batch, heads, tokens, width] = x.dims();
        x.swap_dims(1, 2).reshape([batch * tokens, heads * width])
    }
}

/// The tensor in another number format, untouched if it has it.
pub(crate) fn in_format(tensor: Tensor<2>, dtype: DType) -> Tensor<2> {
    match tensor.dtype() == dtype {
        true => tensor,
        false => tensor.cast(dtype),
    }
}

impl Taps {
    /// Offers hidden state `index` and returns what flows on.
    pub(crate) fn hidden_state(&mut self, index: usize, state: Tensor<2>) -> Tensor<2> {
        let state = match self.replace_hidden.get(&index) {
            Some(Value::R2(replacement)) => replacement.clone(),
            _ => state,
        };
        if self.want_hidden.contains(&index) {
            self.hidden.insert(index, Value::R2(state.clone()));
        }
        state
    }

    /// The blocks that run, of `blocks`.
    pub(crate) fn range(&self, blocks: usize) -> std::ops::Range<usize> {
        self.from.unwrap_or(0)..self.to.unwrap_or(blocks).min(blocks)
    }

    /// Attention of one block with its map, outputs and silencing as wished.
    pub(crate) fn attend(
        &mut self,
        block: usize,
        q: Tensor<4>,
        k: Tensor<4>,
        v: Tensor<4>,
    ) -> Tensor<4> {
        let mut out = if self.want_attention.contains(&block) {
            let (out, map) = engraft_ops::attention_with_map(q, k, v, true);
            self.attention.insert(block, map);
            out
        } else {
            engraft_ops::attention(q, k, v, true)
        };
        let [batch, heads, tokens, width] = out.dims();
        for head in self
            .silence
            .iter()
            .filter(|(b, _)| *b == block)
            .map(|(_, head)| *head)
        {
            if head < heads {
                let nothing = Tensor::zeros([batch, 1, tokens, width], &out.device());
                out = out.slice_assign([0..batch, head..head + 1, 0..tokens, 0..width], nothing);
            }
        }
        if self.want_heads.contains(&block) {
            self.heads.insert(block, out.clone());
        }
        out
    }
}
