//! Networks by description: as a recipe writes them, or as a `config.json` does.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    Network,
    gpt::{Gpt, GptSpec},
    llama::{Llama, LlamaSpec},
    mlp::{Mlp, MlpSpec},
    resnet::{Resnet, ResnetSpec},
};

/// Why a description gives no network.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("{key} is {value}, which {problem}")]
    Value {
        key: &'static str,
        value: String,
        problem: String,
    },
    #[error("config.json: {0}")]
    Config(String),
    #[error("only language models have blocks that can be kept one by one; give a GPT or Llama")]
    NoBlocks,
}

/// A network as a recipe writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spec {
    Gpt(GptSpec),
    Llama(LlamaSpec),
    Mlp(MlpSpec),
    Resnet(ResnetSpec),
}

impl Spec {
    /// The keys a recipe may use.
    pub const KINDS: [&'static str; 4] = ["gpt", "llama", "mlp", "resnet"];

    pub fn is_language_model(&self) -> bool {
        matches!(self, Self::Gpt(_) | Self::Llama(_))
    }

    fn validate(&self) -> Result<(), SpecError> {
        match self {
            Self::Gpt(spec) => {
                heads_fit("width", spec.width, spec.heads)?;
                positive(&[
                    ("layers", spec.layers),
                    ("context", spec.context),
                    ("mlp_ratio", spec.mlp_ratio),
                ])
            }
            Self::Llama(spec) => {
                positive(&[
                    ("hidden_size", spec.hidden_size),
                    ("intermediate_size", spec.intermediate_size),
                    ("num_hidden_layers", spec.num_hidden_layers),
                    ("max_position_embeddings", spec.max_position_embeddings),
                ])?;
                heads_fit(
                    "num_attention_heads",
                    spec.num_attention_heads,
                    spec.kv_heads(),
                )?;
                if spec.head_dim.is_none() {
                    heads_fit("hidden_size", spec.hidden_size, spec.num_attention_heads)?;
                }
                match spec.head_width() % 2 {
                    0 => Ok(()),
                    _ => Err(wrong(
                        "head_dim",
                        spec.head_width(),
                        "must be even for rotary positions",
                    )),
                }
            }
            Self::Mlp(spec) => match spec.widths.contains(&0) {
                true => Err(wrong(
                    "widths",
                    format!("{:?}", spec.widths),
                    "has a layer of width 0",
                )),
                false => Ok(()),
            },
            Self::Resnet(spec) => match spec.depth >= 8 && (spec.depth - 2).is_multiple_of(6) {
                true => Ok(()),
                false => Err(wrong(
                    "depth",
                    spec.depth,
                    "is not 6n + 2: use 8, 14, 20, 32, 44, 56 or 110",
                )),
            },
        }
    }
}

/// What a network reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputShape {
    Tokens,
    Image {
        channels: usize,
        height: usize,
        width: usize,
    },
    Features {
        width: usize,
    },
}

fn wrong(key: &'static str, value: impl ToString, problem: impl Into<String>) -> SpecError {
    SpecError::Value {
        key,
        value: value.to_string(),
        problem: problem.into(),
    }
}

fn positive(values: &[(&'static str, usize)]) -> Result<(), SpecError> {
    match values.iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => Err(wrong(key, 0, "must be 1 or more")),
        None => Ok(()),
    }
}

fn heads_fit(key: &'static str, value: usize, heads: usize) -> Result<(), SpecError> {
    if value > 0 && heads > 0 && value.is_multiple_of(heads) {
        return Ok(());
    }
    Err(wrong(key, value, format!("{heads} heads do not divide")))
}

/// A fresh network. `classes` is the vocabulary or the number of classes.
pub fn create(
    spec: &Spec,
    classes: usize,
    input: InputShape,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Network>, SpecError> {
    spec.validate()?;
    Ok(match spec {
        Spec::Gpt(spec) => Box::new(Gpt::new(spec, classes, seed, device)),
        Spec::Llama(spec) => Box::new(Llama::new(spec, classes, Json::Null, seed, device)),
        Spec::Mlp(spec) => {
            let width = match input {
                InputShape::Image {
                    channels,
                    height,
                    width,
                } => channels * height * width,
                InputShape::Features { width } => width,
                InputShape::Tokens => return Err(wrong("input", "text", "an MLP cannot read")),
            };
            Box::new(Mlp::new(spec, width, classes, seed, device))
        }
        Spec::Resnet(spec) => {
            let InputShape::Image {
                channels,
                height,
                width,
            } = input
            else {
                return Err(wrong("input", "not images", "a ResNet cannot read"));
            };
            if height < 4 || width < 4 {
                return Err(wrong(
                    "image size",
                    format!("{height}x{width}"),
                    "is below 4x4",
                ));
            }
            Box::new(Resnet::new(spec, channels, classes, seed, device))
        }
    })
}

/// Largest sizes a `config.json` may ask for: beyond any model of the family, so that a damaged
/// file cannot make us allocate the machine away.
const LARGEST: u64 = 1 << 20;

/// The network a `config.json` describes, with weights yet to be loaded.
pub fn from_config(config: &Json, device: &Device) -> Result<Box<dyn Network>, SpecError> {
    let text = |key: &str| config.get(key).and_then(Json::as_str);
    let number = |key: &'static str| -> Result<usize, SpecError> {
        let value = config.get(key).and_then(Json::as_u64);
        let value = value
            .ok_or_else(|| SpecError::Config(format!("the key `{key}` is missing or no number")))?;
        if value > LARGEST {
            return Err(wrong(
                key,
                value,
                format!("is above {LARGEST}; the file is damaged"),
            ));
        }
        Ok(value as usize)
    };
    let model_type = text("model_type")
        .ok_or_else(|| SpecError::Config("the key `model_type` is missing".to_owned()))?;
    let (spec, classes, input) = match model_type {
        "engraft-gpt" => {
            let width = number("n_embd")?;
            let spec = GptSpec {
                layers: number("n_layer")?,
                width,
                heads: number("n_head")?,
                context: number("n_positions")?,
                mlp_ratio: number("n_inner")? / width.max(1),
                tied: config
                    .get("tie_word_embeddings")
                    .and_then(Json::as_bool)
                    .unwrap_or(true),
            };
            (Spec::Gpt(spec), number("vocab_size")?, InputShape::Tokens)
        }
        "engraft-mlp" => {
            let widths = config.get("widths").cloned().unwrap_or_default();
            let widths = serde_json::from_value(widths)
                .map_err(|error| SpecError::Config(format!("widths: {error}")))?;
            let input = InputShape::Features {
                width: number("input")?,
            };
            (Spec::Mlp(MlpSpec { widths }), number("classes")?, input)
        }
        "engraft-resnet" => {
            let input = InputShape::Image {
                channels: number("channels")?,
                height: 32,
                width: 32,
            };
            let spec = ResnetSpec {
                depth: number("depth")?,
            };
            (Spec::Resnet(spec), number("classes")?, input)
        }
        "llama" | "mistral" | "qwen2" => {
            for key in ["hidden_size", "intermediate_size", "num_hidden_layers"] {
                number(key)?;
            }
            return llama(config, model_type, number("vocab_size")?, device);
        }
        other => {
            return Err(SpecError::Config(format!(
                "model_type `{other}` is not known; known: llama, mistral, qwen2 and our own nets"
            )));
        }
    };
    create(&spec, classes, input, 0, device)
}

fn llama(
    config: &Json,
    model_type: &str,
    vocab: usize,
    device: &Device,
) -> Result<Box<dyn Network>, SpecError> {
    let mut spec: LlamaSpec = serde_json::from_value(config.clone())
        .map_err(|error| SpecError::Config(error.to_string()))?;
    spec.attention_bias |= model_type == "qwen2";
    let scaling = config.get("rope_scaling").filter(|value| !value.is_null());
    if scaling.is_some() {
        return Err(SpecError::Config(
            "rope_scaling is not supported; remove it or use an unscaled model".to_owned(),
        ));
    }
    let activation = config
        .get("hidden_act")
        .and_then(Json::as_str)
        .unwrap_or("silu");
    if activation != "silu" {
        return Err(SpecError::Config(format!(
            "hidden_act `{activation}` is not supported; only silu"
        )));
    }
    Spec::Llama(spec.clone()).validate()?;
    Ok(Box::new(Llama::new(
        &spec,
        vocab,
        config.clone(),
        0,
        device,
    )))
}

/// A smaller language model from some blocks of another, weights and all.
///
/// # Errors
/// No blocks, or a block number that is not there.
pub fn keep_layers(network: &dyn Network, keep: &[usize]) -> Result<Box<dyn Network>, SpecError> {
    let blocks = network.capabilities().blocks;
    if keep.is_empty() || keep.iter().any(|&block| block >= blocks) {
        let problem = format!(
            "must name some of the blocks 0 to {}",
            blocks.saturating_sub(1)
        );
        return Err(wrong("keep_layers", format!("{keep:?}"), problem));
    }
    let (prefix, key) = match network.config()["model_type"].as_str() {
        Some("engraft-gpt") => ("transformer.h.", "n_layer"),
        Some("llama" | "mistral" | "qwen2") => ("model.layers.", "num_hidden_layers"),
        _ => return Err(SpecError::NoBlocks),
    };
    let mut config = network.config();
    config[key] = keep.len().into();
    let device = network.parameters()[0].device();
    let mut smaller = from_config(&config, &device)?;
    for parameter in smaller.parameters_mut() {
        let source = match parameter
            .name
            .strip_prefix(prefix)
            .and_then(|rest| rest.split_once('.'))
        {
            Some((block, rest)) => {
                let block: usize = block.parse().expect("blocks are numbered");
                format!("{prefix}{}.{rest}", keep[block])
            }
            None => parameter.name.clone(),
        };
        let of_base = network
            .parameters()
            .into_iter()
            .find(|known| known.name == source);
        parameter.value = of_base
            .expect("the smaller net has the base's names")
            .value
            .clone();
    }
    Ok(smaller)
}
