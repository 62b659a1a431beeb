//! A GPT-2-style language model: pre-norm blocks, learned positions, GELU.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Batch, Capabilities, Head, Linear, Logits, Mode, Network, Parameter, Role, Signals, Taps,
    init::Init,
    tokens::{Tokens, in_format},
};

/// What a recipe says about a GPT; the vocabulary comes from the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GptSpec {
    /// Number of blocks.
    pub layers: usize,
    /// Width of the hidden states.
    pub width: usize,
    /// Attention heads a block; they divide the width.
    #[serde(default = "usual_heads")]
    pub heads: usize,
    /// Longest input in tokens.
    #[serde(default = "usual_context")]
    pub context: usize,
    /// Width of the MLP as a multiple of the width.
    #[serde(default = "usual_mlp_ratio")]
    pub mlp_ratio: usize,
    /// The head shares the embedding.
    #[serde(default = "yes")]
    pub tied: bool,
}

fn usual_heads() -> usize {
    4
}

fn usual_context() -> usize {
    256
}

fn usual_mlp_ratio() -> usize {
    4
}

fn yes() -> bool {
    true
}

const EPS: f64 = 1e-5;

/// A layer norm: scale and shift `[width]`.
#[derive(Clone)]
struct Norm {
    weight: Parameter,
    bias: Parameter,
}

impl Norm {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        engraft_ops::layer_norm(x, self.weight.r1(), Some(self.bias.r1()), EPS)
    }

    fn parameters(&self) -> [&Parameter; 2] {
        [&self.weight, &self.bias]
    }

    fn parameters_mut(&mut self) -> [&mut Parameter; 2] {
        [&mut self.weight, &mut self.bias]
    }
}

#[derive(Clone)]
struct Block {
    ln_1: Norm,
    /// Queries, keys and values, `[3 * width, width]`.
    c_attn: Linear,
    c_proj: Linear,
    ln_2: Norm,
    c_fc: Linear,
    mlp_proj: Linear,
}

impl Block {
    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let attention = self.c_attn.parameters().chain(self.c_proj.parameters());
        let mlp = self.c_fc.parameters().chain(self.mlp_proj.parameters());
        let first = self.ln_1.parameters().into_iter().chain(attention);
        first.chain(self.ln_2.parameters()).chain(mlp)
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let attention = self.c_attn.parameters_mut();
        let attention = attention.chain(self.c_proj.parameters_mut());
        let mlp = self.c_fc.parameters_mut();
        let mlp = mlp.chain(self.mlp_proj.parameters_mut());
        let first = self.ln_1.parameters_mut().into_iter().chain(attention);
        first.chain(self.ln_2.parameters_mut()).chain(mlp)
    }
}

/// The network.
#[derive(Clone)]
pub struct Gpt {
    spec: GptSpec,
    vocab: usize,
    wte: Parameter,
    wpe: Parameter,
    blocks: Vec<Block>,
    ln_f: Norm,
    head: Option<Parameter>,
}

impl Gpt {
    /// Fresh weights: normal 0.02, projections back into the residual stream scaled by
    /// `1/sqrt(2 * layers)` (GPT-2).
    pub fn new(
        spec: &GptSpec,
        vocab: usize,
        seed: impl Into<Option<u64>>,
        device: &Device,
    ) -> Self {
        let init = Init {
            seed: seed.into(),
            device,
        };
        let width = spec.width;
        let residual = 0.02 / (2.0 * spec.layers as f32).sqrt();
        let affine = |name: String, out: usize, input: usize, std: f32| {
            Linear::new(
                init.matrix(format!("{name}.weight"), Role::Weight, [out, input], std),
                Some(init.constant(format!("{name}.bias"), Role::Bias, out, 0.0)),
            )
        };
        let norm = |name: String| Norm {
            weight: init.constant(format!("{name}.weight"), Role::Norm, width, 1.0),
            bias: init.constant(format!("{name}.bias"), Role::Norm, width, 0.0),
        };
        let embedding = |name: &str, rows: usize| {
            init.matrix(
                format!("{name}.weight"),
                Role::Embedding,
                [rows, width],
                0.02,
            )
        };
        let blocks = (0..spec.layers)
            .map(|layer| {
                let name = |part: &str| format!("transformer.h.{layer}.{part}");
                let inner = spec.mlp_ratio * width;
                Block {
                    ln_1: norm(name("ln_1")),
                    c_attn: affine(name("attn.c_attn"), 3 * width, width, 0.02),
                    c_proj: affine(name("attn.c_proj"), width, width, residual),
                    ln_2: norm(name("ln_2")),
                    c_fc: affine(name("mlp.c_fc"), inner, width, 0.02),
                    mlp_proj: affine(name("mlp.c_proj"), width, inner, residual),
                }
            })
            .collect();
        Self {
            wte: embedding("transformer.wte", vocab),
            wpe: embedding("transformer.wpe", spec.context),
            blocks,
            ln_f: norm("transformer.ln_f".to_owned()),
            head: (!spec.tied).then(|| embedding("lm_head", vocab)),
            spec: spec.clone(),
            vocab,
        }
    }

    pub fn spec(&self) -> &GptSpec {
        &self.spec
    }

    fn block(&self, index: usize, x: Tensor<2>, input: &Tokens, taps: &mut Taps) -> Tensor<2> {
        let block = &self.blocks[index];
        let width = self.spec.width;
        let rows = x.dims()[0];
        let qkv = block.c_attn.apply(block.ln_1.apply(x.clone()));
        let part = |at: usize| {
            let part = qkv.clone().slice([0..rows, at * width..(at + 1) * width]);
            input.rows.split_heads(part, self.spec.heads)
        };
        let heads = taps.attend(index, part(0), part(1), part(2));
        let x = x + block.c_proj.apply(input.rows.join_heads(heads));
        let up = block.c_fc.without_bias(block.ln_2.apply(x.clone()));
        let up = engraft_ops::gelu(up, block.c_fc.bias.as_ref().map(Parameter::r1));
        x + block.mlp_proj.apply(up)
    }
}

impl Network for Gpt {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            causal_lm: true,
            attention_maps: true,
            pooled_features: false,
            blocks: self.blocks.len(),
            heads: self.spec.heads,
            width: self.spec.width,
            classes: self.vocab,
            context: Some(self.spec.context),
        }
    }

    fn forward(&self, batch: &Batch, _mode: Mode, taps: &mut Taps) -> Signals {
        let embedding = self.wte.r2();
        let input = Tokens::upload(batch, &embedding);
        let (rows, width) = (input.rows.batch * input.rows.tokens, self.spec.width);
        let range = taps.range(self.blocks.len());
        let mut x = if range.start == 0 {
            let positions = self.wpe.r2().slice([0..input.rows.tokens, 0..width]);
            let tokens = embedding.clone().select(0, input.ids.clone());
            let shape = [input.rows.batch, input.rows.tokens, width];
            let both = (tokens.reshape(shape) + positions.unsqueeze()).reshape([rows, width]);
            in_format(both, self.ln_f.weight.r1().dtype())
        } else {
            Tensor::zeros([rows, width], &embedding.device())
        };
        x = taps.hidden_state(range.start, x);
        for index in range {
            x = self.block(index, x, &input, taps);
            x = taps.hidden_state(index + 1, x);
        }
        Signals {
            logits: Logits::Head(Head {
                weight: in_format(
                    self.head.as_ref().map_or(embedding, Parameter::r2),
                    x.dtype(),
                ),
                hidden: self.ln_f.apply(x),
                bias: None,
            }),
            features: None,
            statistics: Vec::new(),
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.wte, &self.wpe];
        all.extend(self.blocks.iter().flat_map(Block::parameters));
        all.extend(self.ln_f.parameters());
        all.extend(&self.head);
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.wte, &mut self.wpe];
        all.extend(self.blocks.iter_mut().flat_map(Block::parameters_mut));
        all.extend(self.ln_f.parameters_mut());
        all.extend(&mut self.head);
        all
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let blocks = self.blocks.iter_mut();
        let layers = blocks.flat_map(|block| {
            [
                &mut block.c_attn,
                &mut block.c_proj,
                &mut block.c_fc,
                &mut block.mlp_proj,
            ]
        });
        layers.collect()
    }

    fn config(&self) -> serde_json::Value {
        json!({
            "model_type": "engraft-gpt",
            "architectures": ["EngraftGpt"],
            "vocab_size": self.vocab,
            "n_layer": self.spec.layers,
            "n_embd": self.spec.width,
            "n_head": self.spec.heads,
            "n_positions": self.spec.context,
            "n_inner": self.spec.mlp_ratio * self.spec.width,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": EPS,
            "tie_word_embeddings": self.spec.tied,
            "torch_dtype": "float32",
        })
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}
