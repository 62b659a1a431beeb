//! The Llama family by its `config.json`: sizes and switches, and what of it is not computed here.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::config::{SpecError, above_zero, heads_fit, positive, size, wrong};

/// The model types of the family.
pub const TYPES: [&str; 3] = ["llama", "mistral", "qwen2"];

/// What a `config.json` of the family says; a recipe may write the same keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LlamaSpec {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Fewer than the heads: several heads share keys and values.
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    /// Width of a head where it is not `hidden_size / num_attention_heads`.
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default = "usual_context")]
    pub max_position_embeddings: usize,
    #[serde(default = "usual_eps")]
    pub rms_norm_eps: f64,
    #[serde(default = "usual_theta")]
    pub rope_theta: f64,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Biases on queries, keys and values (Qwen2).
    #[serde(default)]
    pub attention_bias: bool,
}

fn usual_context() -> usize {
    2048
}

fn usual_eps() -> f64 {
    1e-6
}

fn usual_theta() -> f64 {
    10000.0
}

impl LlamaSpec {
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_width(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// The description that a `config.json` gives, and its vocabulary.
    ///
    /// # Errors
    /// What the file lacks, and what of it is not computed here (scaled rotary positions, other
    /// activations), by key.
    pub fn of_config(config: &Json) -> Result<(Self, usize), SpecError> {
        let model_type = config
            .get("model_type")
            .and_then(Json::as_str)
            .unwrap_or_default();
        for key in ["hidden_size", "intermediate_size", "num_hidden_layers"] {
            size(config, key)?;
        }
        let mut spec: Self = serde_json::from_value(config.clone())
            .map_err(|error| SpecError::Config(error.to_string()))?;
        spec.attention_bias |= model_type == "qwen2";
        let scaling = config.get("rope_scaling").filter(|value| !value.is_null());
        if scaling.is_some() {
            return Err(SpecError::Config(
                "rope_scaling is not supported; remove it or use an unscaled model".to_owned(),
            ));
        }
        // Where newer files of transformers keep what `rope_theta` says in older ones.
        if let Some(rope) = config
            .get("rope_parameters")
            .filter(|value| !value.is_null())
        {
            let kind = rope["rope_type"].as_str().unwrap_or("default");
            if kind != "default" {
                return Err(SpecError::Config(format!(
                    "rope_parameters of type `{kind}` are not supported; use an unscaled model"
                )));
            }
            spec.rope_theta = rope["rope_theta"].as_f64().unwrap_or(spec.rope_theta);
        }
        let window = config.get("sliding_window").and_then(Json::as_u64);
        let unused = config.get("use_sliding_window") == Some(&Json::Bool(false));
        if let Some(window) = window.filter(|_| !unused)
            && (window as usize) < spec.max_position_embeddings
        {
            // Within the window all positions are seen, as they are here.
            spec.max_position_embeddings = window as usize;
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
        Ok((spec, size(config, "vocab_size")?))
    }

    /// Whether the sizes fit one another.
    ///
    /// # Errors
    /// The key that does not.
    pub fn check(&self) -> Result<(), SpecError> {
        let spec = self;
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
        above_zero("rms_norm_eps", spec.rms_norm_eps)?;
        above_zero("rope_theta", spec.rope_theta)?;
        match spec.head_width() {
            width if width > 0 && width.is_multiple_of(2) => Ok(()),
            width => Err(wrong(
                "head_dim",
                width,
                "must be even and above 0 for rotary positions",
            )),
        }
    }
}
