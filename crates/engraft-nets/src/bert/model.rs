//! The encoder: embeddings and post-norm blocks that see a text in both directions.

use burn::tensor::{Device, Tensor, activation::gelu};

use super::{config::Config, padded::Padded, weights::Weights};
use engraft_files::WeightsError;

use crate::tokens::Rows;

/// `x · weightᵀ + bias`: weight `[out, in]`, bias `[out]`.
struct Affine {
    weight: Tensor<2>,
    bias: Tensor<1>,
}

impl Affine {
    fn read(
        weights: &mut Weights,
        name: &str,
        [out, input]: [usize; 2],
        device: &Device,
    ) -> Result<Self, WeightsError> {
        Ok(Self {
            weight: weights.take(&format!("{name}.weight"), [out, input], device)?,
            bias: weights.take(&format!("{name}.bias"), [out], device)?,
        })
    }

    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        engraft_ops::linear(x, self.weight.clone(), Some(self.bias.clone()))
    }
}

/// A layer norm: scale and shift `[width]`.
struct Norm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
}

impl Norm {
    fn read(
        weights: &mut Weights,
        name: &str,
        config: &Config,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let width = [config.hidden_size];
        Ok(Self {
            weight: weights.take(&format!("{name}.weight"), width, device)?,
            bias: weights.take(&format!("{name}.bias"), width, device)?,
            eps: config.layer_norm_eps,
        })
    }

    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        engraft_ops::layer_norm(x, self.weight.clone(), Some(self.bias.clone()), self.eps)
    }
}

struct Block {
    heads: usize,
    query: Affine,
    key: Affine,
    value: Affine,
    attended: Affine,
    attended_norm: Norm,
    up: Affine,
    down: Affine,
    norm: Norm,
}

impl Block {
    fn read(
        weights: &mut Weights,
        layer: usize,
        config: &Config,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let mut affine = |part: &str, shape| Affine::read(weights, &name(part), shape, device);
        let query = affine("attention.self.query", [width, width])?;
        let key = affine("attention.self.key", [width, width])?;
        let value = affine("attention.self.value", [width, width])?;
        let attended = affine("attention.output.dense", [width, width])?;
        let up = affine("intermediate.dense", [inner, width])?;
        let down = affine("output.dense", [width, inner])?;
        let mut norm = |part: &str| Norm::read(weights, &name(part), config, device);
        Ok(Self {
            heads: config.num_attention_heads,
            query,
            key,
            value,
            attended,
            attended_norm: norm("attention.output.LayerNorm")?,
            up,
            down,
            norm: norm("output.LayerNorm")?,
        })
    }

    /// `[batch * tokens, width]` to the same.
    fn apply(&self, x: Tensor<2>, input: &Padded) -> Tensor<2> {
        let project = |layer: &Affine| input.rows.split_heads(layer.apply(x.clone()), self.heads);
        let (q, k, v) = (
            project(&self.query),
            project(&self.key),
            project(&self.value),
        );
        let seen = input.rows.join_heads(input.attend(q, k, v));
        let x = self.attended_norm.apply(self.attended.apply(seen) + x);
        // The exact form: the fused operation has the tanh form, whose embeddings differ.
        let up = gelu(self.up.apply(x.clone()));
        self.norm.apply(self.down.apply(up) + x)
    }
}

/// A BERT encoder with the mean over tokens on top.
pub(super) struct Bert {
    /// `[vocab, width]`
    words: Tensor<2>,
    /// `[max_position_embeddings, width]`, the embedding of the one token type that texts have added.
    places: Tensor<2>,
    norm: Norm,
    blocks: Vec<Block>,
    device: Device,
}

impl Bert {
    pub fn read(
        config: &Config,
        weights: &mut Weights,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let width = config.hidden_size;
        let mut table = |name: &str, rows: usize| {
            weights.take(&format!("embeddings.{name}.weight"), [rows, width], device)
        };
        let words = table("word_embeddings", config.vocab_size)?;
        let positions = table("position_embeddings", config.max_position_embeddings)?;
        let types = table("token_type_embeddings", config.type_vocab_size)?;
        let norm = Norm::read(weights, "embeddings.LayerNorm", config, device)?;
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| Block::read(weights, layer, config, device))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            words,
            places: positions + types.narrow(0, 0, 1),
            norm,
            blocks,
            device: device.clone(),
        })
    }

    pub fn width(&self) -> usize {
        self.words.dims()[1]
    }

    /// The mean of each text's last hidden states, `[width]` each. A text has 1 token or more.
    pub fn means(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let input = Padded::upload(texts, &self.device);
        let (Rows { batch, tokens }, width) = (input.rows, self.width());
        let words = self.words.clone().select(0, input.ids.clone());
        let places = self.places.clone().narrow(0, 0, tokens).unsqueeze();
        let both = words.reshape([batch, tokens, width]) + places;
        let mut x = self.norm.apply(both.reshape([batch * tokens, width]));
        for block in &self.blocks {
            x = block.apply(x, &input);
        }
        let means = input.share.matmul(x.reshape([batch, tokens, width]));
        let numbers: Vec<f32> = means
            .into_data()
            .convert::<f32>()
            .try_into_vec()
            .expect("just converted to f32");
        numbers.chunks(width).map(<[f32]>::to_vec).collect()
    }
}
