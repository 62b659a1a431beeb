//! Networks by description: as a recipe writes them, or as a `config.json` does.

mod extent;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use engraft_files::{
    Extent, LlamaSpec,
    config::{SpecError, heads_fit, positive, size, wrong},
    llama,
};

use crate::{
    Network,
    gpt::{Gpt, GptSpec},
    llama::Llama,
    mlp::{Mlp, MlpSpec},
    resnet::{Resnet, ResnetSpec},
};

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
            Self::Llama(spec) => spec.check(),
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

/// A fresh network. `classes` is the vocabulary or the number of classes. Without a seed its matrices
/// are zeros, for weights that are loaded next.
pub fn create(
    spec: &Spec,
    classes: usize,
    input: InputShape,
    seed: impl Into<Option<u64>>,
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

/// The network a `config.json` that can be trusted describes, with weights yet to be loaded.
pub fn from_config(config: &Json, device: &Device) -> Result<Box<dyn Network>, SpecError> {
    from_config_of(config, Extent::ANY, device)
}

/// The network a `config.json` describes, with weights yet to be loaded.
///
/// # Errors
/// A description of no network, or of one that is far larger than `stored`, its weight file.
pub fn from_config_of(
    config: &Json,
    stored: Extent,
    device: &Device,
) -> Result<Box<dyn Network>, SpecError> {
    let (spec, classes, input) = described(config)?;
    spec.validate()?;
    let needed = spec.extent(classes, input);
    if !stored.may_hold(needed) {
        return Err(SpecError::Config(format!(
            "describes {} tensors of {} numbers in all, but the weights are {} tensors of {} \
             numbers; it belongs to another model",
            needed.tensors, needed.numbers, stored.tensors, stored.numbers
        )));
    }
    match spec {
        Spec::Llama(spec) => {
            let config = config.clone();
            Ok(Box::new(Llama::new(&spec, classes, config, None, device)))
        }
        spec => create(&spec, classes, input, None, device),
    }
}

/// Specification, classes and input of a `config.json`.
fn described(config: &Json) -> Result<(Spec, usize, InputShape), SpecError> {
    let text = |key: &str| config.get(key).and_then(Json::as_str);
    let number = |key: &'static str| size(config, key);
    let model_type = text("model_type")
        .ok_or_else(|| SpecError::Config("the key `model_type` is missing".to_owned()))?;
    Ok(match model_type {
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
        family if llama::TYPES.contains(&family) => {
            let (spec, vocab) = LlamaSpec::of_config(config)?;
            (Spec::Llama(spec), vocab, InputShape::Tokens)
        }
        other => {
            return Err(SpecError::Config(format!(
                "model_type `{other}` is not known; known: {} and our own nets",
                llama::TYPES.join(", ")
            )));
        }
    })
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
        Some(family) if llama::TYPES.contains(&family) => ("model.layers.", "num_hidden_layers"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gpt() -> Json {
        json!({
            "model_type": "engraft-gpt", "vocab_size": 7, "n_layer": 3, "n_embd": 4, "n_head": 2,
            "n_positions": 5, "n_inner": 12, "tie_word_embeddings": true,
        })
    }

    fn llama() -> Json {
        json!({
            "model_type": "llama", "vocab_size": 7, "hidden_size": 4, "intermediate_size": 6,
            "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 6, "tie_word_embeddings": true,
        })
    }

    fn mlp() -> Json {
        json!({ "model_type": "engraft-mlp", "widths": [3, 5], "input": 4, "classes": 2 })
    }

    fn resnet() -> Json {
        json!({ "model_type": "engraft-resnet", "depth": 14, "channels": 3, "classes": 10 })
    }

    fn with(mut config: Json, key: &str, value: impl Into<Json>) -> Json {
        config[key] = value.into();
        config
    }

    #[test]
    fn the_extent_is_that_of_the_network() {
        let configs = [
            gpt(),
            with(gpt(), "tie_word_embeddings", false),
            llama(),
            with(llama(), "tie_word_embeddings", false),
            with(llama(), "model_type", "qwen2"),
            with(llama(), "model_type", "qwen3"),
            mlp(),
            with(mlp(), "widths", json!([])),
            resnet(),
        ];
        for config in configs {
            let (spec, classes, input) = described(&config).unwrap();
            let network = from_config(&config, &Device::flex()).unwrap();
            let parameters = network.parameters();
            let made = Extent {
                tensors: parameters.len() as f64,
                numbers: parameters.iter().map(|p| p.value.len() as f64).sum(),
            };
            assert_eq!(spec.extent(classes, input), made, "{config}");
        }
    }

    #[test]
    fn a_config_far_larger_than_its_weights_is_refused_before_anything_is_made() {
        let large = 1u64 << 20;
        let absurd = u64::MAX - 1;
        let configs = [
            with(with(gpt(), "n_embd", large), "n_inner", large),
            with(gpt(), "n_layer", large),
            with(gpt(), "vocab_size", large),
            with(
                with(llama(), "hidden_size", large),
                "intermediate_size",
                large,
            ),
            with(llama(), "head_dim", absurd),
            with(llama(), "num_attention_heads", absurd),
            with(mlp(), "widths", json!([absurd, absurd])),
            with(mlp(), "widths", vec![1; 10_000]),
            with(resnet(), "depth", large - 2),
        ];
        for config in configs {
            let error = from_config_of(&config, Extent::default(), &Device::flex()).err();
            let message = error.expect("refused").to_string();
            assert!(message.contains("belongs to another model"), "{message}");
        }
    }

    #[test]
    fn sizes_of_zero_and_numbers_that_give_no_angle_are_refused_by_key() {
        for (config, key) in [
            (with(gpt(), "vocab_size", 0), "vocab_size is 0"),
            (with(mlp(), "input", 0), "input is 0"),
            (with(resnet(), "channels", 0), "channels is 0"),
            (with(llama(), "head_dim", 0), "head_dim is 0"),
            (with(llama(), "rope_theta", -1.0), "rope_theta is -1"),
            (with(llama(), "rms_norm_eps", 0.0), "rms_norm_eps is 0"),
        ] {
            let error = from_config(&config, &Device::flex()).err();
            let message = error.expect("refused").to_string();
            assert!(message.contains(key), "{key}: {message}");
        }
    }
}
