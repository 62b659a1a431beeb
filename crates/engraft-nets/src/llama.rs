//! The Llama family: RMS norm, rotary positions, grouped queries, gated MLP. Covers Llama, Mistral,
//! SmolLM2, Qwen2 (biases on queries, keys and values) and Qwen3 (norms on the heads of queries and keys).

use burn::tensor::{DType, Device, Tensor, TensorData};
use engraft_files::LlamaSpec;

use serde_json::Value as Json;

use crate::{
    Batch, Capabilities, Head, Linear, Logits, Mode, Network, Parameter, Role, Signals, Taps,
    init::Init,
    recompute::{Recomputed, recompute},
    tokens::{Rows, Tokens, in_format},
};

#[derive(Clone)]
struct Block {
    input_norm: Parameter,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    /// `[head_width]`, where the model has them.
    q_norm: Option<Parameter>,
    k_norm: Option<Parameter>,
    post_norm: Parameter,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn run(&self, index: usize, x: Tensor<2>, layout: &Layout, taps: &mut Taps) -> Tensor<2> {
        let Layout { spec, rows, rotary } = layout;
        let normed = engraft_ops::rms_norm(x.clone(), self.input_norm.r1(), spec.rms_norm_eps);
        let project = |layer: &Linear, norm: &Option<Parameter>, heads: usize| {
            let x = layer.apply(normed.clone());
            let x = match norm {
                Some(norm) => norm_heads(x, norm.r1(), spec.rms_norm_eps),
                None => x,
            };
            rows.split_heads(x, heads)
        };
        let q = rotary.apply(project(&self.q, &self.q_norm, spec.num_attention_heads));
        let k = rotary.apply(project(&self.k, &self.k_norm, spec.kv_heads()));
        let v = project(&self.v, &None, spec.kv_heads());
        let heads = rows.join_heads(taps.attend(index, q, k, v));
        let x = x + self.o.apply(heads);
        let normed = engraft_ops::rms_norm(x.clone(), self.post_norm.r1(), spec.rms_norm_eps);
        let gate = self.gate.apply(normed.clone());
        let gated = engraft_ops::silu_gate(gate, self.up.apply(normed));
        x + self.down.apply(gated)
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let attention = [&self.q, &self.k, &self.v, &self.o];
        let mlp = [&self.gate, &self.up, &self.down];
        std::iter::once(&self.input_norm)
            .chain(attention.into_iter().flat_map(Linear::parameters))
            .chain(&self.q_norm)
            .chain(&self.k_norm)
            .chain([&self.post_norm])
            .chain(mlp.into_iter().flat_map(Linear::parameters))
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let attention = [&mut self.q, &mut self.k, &mut self.v, &mut self.o];
        let mlp = [&mut self.gate, &mut self.up, &mut self.down];
        std::iter::once(&mut self.input_norm)
            .chain(attention.into_iter().flat_map(Linear::parameters_mut))
            .chain(&mut self.q_norm)
            .chain(&mut self.k_norm)
            .chain([&mut self.post_norm])
            .chain(mlp.into_iter().flat_map(Linear::parameters_mut))
    }

    fn linears_mut(&mut self) -> [&mut Linear; 7] {
        [
            &mut self.q,
            &mut self.k,
            &mut self.v,
            &mut self.o,
            &mut self.gate,
            &mut self.up,
            &mut self.down,
        ]
    }
}

/// RMS norm of every head by itself; `x` `[rows, heads * head_width]`, `weight` `[head_width]`.
fn norm_heads(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let ([rows, columns], [width]) = (x.dims(), weight.dims());
    let heads = x.reshape([rows * columns / width, width]);
    engraft_ops::rms_norm(heads, weight, eps).reshape([rows, columns])
}

/// The network.
#[derive(Clone)]
pub struct Llama {
    spec: LlamaSpec,
    vocab: usize,
    /// The `config.json` it was loaded with, kept when it is saved.
    config: Json,
    embed: Parameter,
    blocks: Vec<Block>,
    norm: Parameter,
    head: Option<Parameter>,
    recomputes: bool,
}

impl Llama {
    /// Fresh weights: normal 0.02 everywhere, norms 1 (transformers' default).
    pub fn new(
        spec: &LlamaSpec,
        vocab: usize,
        config: Json,
        seed: impl Into<Option<u64>>,
        device: &Device,
    ) -> Self {
        let init = Init {
            seed: seed.into(),
            device,
        };
        let (width, inner) = (spec.hidden_size, spec.intermediate_size);
        let (queries, keys) = (
            spec.num_attention_heads * spec.head_width(),
            spec.kv_heads() * spec.head_width(),
        );
        let blocks = (0..spec.num_hidden_layers)
            .map(|layer| {
                let name = |part: &str| format!("model.layers.{layer}.{part}");
                let linear = |part: &str, out: usize, input: usize, biased: bool| {
                    let (weight, bias) = (format!("{part}.weight"), format!("{part}.bias"));
                    Linear::new(
                        init.matrix(name(&weight), Role::Weight, [out, input], 0.02),
                        biased.then(|| init.constant(name(&bias), Role::Bias, out, 0.0)),
                    )
                };
                let norm_of = |part: &str, width: usize| {
                    init.constant(name(&format!("{part}.weight")), Role::Norm, width, 1.0)
                };
                let norm = |part: &str| norm_of(part, width);
                let head_norm = |part: &str| spec.qk_norm.then(|| norm_of(part, spec.head_width()));
                let biased = spec.attention_bias;
                Block {
                    input_norm: norm("input_layernorm"),
                    q: linear("self_attn.q_proj", queries, width, biased),
                    k: linear("self_attn.k_proj", keys, width, biased),
                    v: linear("self_attn.v_proj", keys, width, biased),
                    o: linear("self_attn.o_proj", width, queries, false),
                    q_norm: head_norm("self_attn.q_norm"),
                    k_norm: head_norm("self_attn.k_norm"),
                    post_norm: norm("post_attention_layernorm"),
                    gate: linear("mlp.gate_proj", inner, width, false),
                    up: linear("mlp.up_proj", inner, width, false),
                    down: linear("mlp.down_proj", width, inner, false),
                }
            })
            .collect();
        let embedding =
            |name: &str| init.matrix(name.to_owned(), Role::Embedding, [vocab, width], 0.02);
        Self {
            embed: embedding("model.embed_tokens.weight"),
            blocks,
            norm: init.constant("model.norm.weight".to_owned(), Role::Norm, width, 1.0),
            head: (!spec.tie_word_embeddings).then(|| embedding("lm_head.weight")),
            spec: spec.clone(),
            vocab,
            config,
            recomputes: false,
        }
    }

    pub fn spec(&self) -> &LlamaSpec {
        &self.spec
    }
}

/// What all blocks of one pass share.
#[derive(Clone)]
struct Layout {
    spec: LlamaSpec,
    rows: Rows,
    rotary: Rotary,
}

impl Layout {
    /// The same off the graph.
    fn inner(&self) -> Self {
        let mut plain = self.clone();
        plain.rotary.cos = plain.rotary.cos.inner();
        plain.rotary.sin = plain.rotary.sin.inner();
        plain
    }
}

/// A block that is computed again on the way back.
#[derive(Clone)]
struct Once {
    block: Block,
    index: usize,
    layout: Layout,
}

impl Recomputed for Once {
    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.block.parameters_mut().collect()
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let mut nothing = Taps::none();
        self.block.run(self.index, x, &self.layout, &mut nothing)
    }
}

/// Rotary position embedding, the two halves of a head rotated against each other.
#[derive(Clone)]
struct Rotary {
    /// `[tokens, head_width / 2]`
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rotary {
    /// Tables for so many tokens and pairs of these frequencies, of this number format on the device
    /// of `near`.
    fn new(tokens: usize, frequencies: &[f64], near: &Tensor<2>, dtype: DType) -> Self {
        let half = frequencies.len();
        let angles: Vec<f64> = (0..tokens)
            .flat_map(|position| frequencies.iter().map(move |speed| position as f64 * speed))
            .collect();
        let table = |of: fn(f64) -> f64| {
            let numbers: Vec<f32> = angles.iter().map(|&angle| of(angle) as f32).collect();
            let data = TensorData::new(numbers, [tokens, half]);
            Tensor::from_data(data, (&near.device(), dtype))
        };
        Self {
            cos: table(f64::cos),
            sin: table(f64::sin),
        }
    }

    fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        engraft_ops::rotary(x, self.cos.clone(), self.sin.clone())
    }
}

impl Network for Llama {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            causal_lm: true,
            attention_maps: true,
            pooled_features: false,
            blocks: self.blocks.len(),
            heads: self.spec.num_attention_heads,
            width: self.spec.hidden_size,
            classes: self.vocab,
            context: Some(self.spec.max_position_embeddings),
        }
    }

    fn forward(&self, batch: &Batch, mode: Mode, taps: &mut Taps) -> Signals {
        let embedding = self.embed.r2();
        let input = Tokens::upload(batch, &embedding);
        let device = embedding.device();
        let dtype = self.norm.r1().dtype();
        let frequencies = self.spec.frequencies();
        let layout = Layout {
            spec: self.spec.clone(),
            rows: input.rows,
            rotary: Rotary::new(input.rows.tokens, &frequencies, &embedding, dtype),
        };
        let range = taps.range(self.blocks.len());
        let mut x = if range.start == 0 {
            in_format(embedding.clone().select(0, input.ids), dtype)
        } else {
            Tensor::zeros([input.rows.count(), self.spec.hidden_size], &device)
        };
        x = taps.hidden_state(range.start, x);
        let recomputes = self.recomputes && mode == Mode::Train && !taps.inside_blocks();
        for index in range {
            let block = &self.blocks[index];
            let again = recomputes.then(|| {
                let once = Once {
                    block: block.clone(),
                    index,
                    layout: layout.inner(),
                };
                recompute(&x, once)
            });
            x = match again.flatten() {
                Some(x) => x,
                None => block.run(index, x, &layout, taps),
            };
            x = taps.hidden_state(index + 1, x);
        }
        Signals {
            logits: Logits::Head(Head {
                weight: in_format(
                    self.head.as_ref().map_or(embedding, Parameter::r2),
                    x.dtype(),
                ),
                hidden: engraft_ops::rms_norm(x, self.norm.r1(), self.spec.rms_norm_eps),
                bias: None,
            }),
            features: None,
            statistics: Vec::new(),
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.embed];
        all.extend(self.blocks.iter().flat_map(Block::parameters));
        all.push(&self.norm);
        all.extend(&self.head);
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.embed];
        all.extend(self.blocks.iter_mut().flat_map(Block::parameters_mut));
        all.push(&mut self.norm);
        all.extend(&mut self.head);
        all
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.blocks
            .iter_mut()
            .flat_map(Block::linears_mut)
            .collect()
    }

    fn recomputes(&mut self, on: bool) -> bool {
        self.recomputes = on;
        true
    }

    /// The loaded `config.json` with what the network knows better on top.
    fn config(&self) -> Json {
        let mut config = self.config.clone();
        if !config.is_object() {
            let (kind, class) = match self.spec.qk_norm {
                true => ("qwen3", "Qwen3ForCausalLM"),
                false => ("llama", "LlamaForCausalLM"),
            };
            config = serde_json::json!({
                "model_type": kind,
                "architectures": [class],
                "hidden_act": "silu",
                "torch_dtype": "float32",
            });
        }
        if let (Json::Object(config), Ok(Json::Object(known))) =
            (&mut config, serde_json::to_value(&self.spec))
        {
            config.extend(known.into_iter().filter(|(_, value)| !value.is_null()));
            config.insert("vocab_size".to_owned(), self.vocab.into());
            if self.spec.qk_norm {
                // Qwen3 takes another width for granted.
                config.insert("head_dim".to_owned(), self.spec.head_width().into());
            }
            // `rope_theta` and `rope_scaling` say it; two places could disagree.
            config.shift_remove("rope_parameters");
        }
        config
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}
