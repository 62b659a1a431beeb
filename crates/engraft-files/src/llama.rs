//! The Llama family by its `config.json`: sizes and switches, and what of it is not computed here.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    config::{SpecError, above_zero, heads_fit, positive, size, wrong},
    rope::{self, RopeScaling},
};

/// The model types of the family.
pub const TYPES: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

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
    /// How rotary positions are stretched, where they are (Llama 3.1).
    #[serde(default)]
    pub rope_scaling: Option<RopeScaling>,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Biases on queries, keys and values (Qwen2).
    #[serde(default)]
    pub attention_bias: bool,
    /// An RMS norm on every head of queries and of keys, before it is turned (Qwen3).
    #[serde(default)]
    pub qk_norm: bool,
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

/// Width of a head where a `config.json` of Qwen3 names none.
const QWEN3_HEAD: usize = 128;

/// How many positions, its own counted, a token attends to, where they are fewer than all: Mistral
/// says so by a number, Qwen by a switch and a number.
fn window(model_type: &str, config: &Json) -> Option<usize> {
    let number = config.get("sliding_window");
    let on = match model_type {
        "mistral" if number.is_none() => return Some(MISTRAL_WINDOW),
        "mistral" => true,
        _ => config.get("use_sliding_window") == Some(&Json::Bool(true)),
    };
    let number = number.filter(|_| on)?.as_u64()?;
    Some(usize::try_from(number).unwrap_or(usize::MAX))
}

/// The window where a `config.json` of Mistral names none.
const MISTRAL_WINDOW: usize = 4096;

impl LlamaSpec {
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_width(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// How far each pair of a head turns from one position to the next, in radians,
    /// `[head_width / 2]`.
    pub fn frequencies(&self) -> Vec<f64> {
        rope::frequencies(
            self.head_width(),
            self.rope_theta,
            self.rope_scaling.as_ref(),
        )
    }

    /// The description that a `config.json` gives, and its vocabulary.
    ///
    /// # Errors
    /// What the file lacks, and what of it is not computed here (other kinds of scaled rotary
    /// positions, other activations, biases in the MLP), by key.
    pub fn of_config(config: &Json) -> Result<(Self, usize), SpecError> {
        let model_type = config
            .get("model_type")
            .and_then(Json::as_str)
            .unwrap_or_default();
        for key in ["hidden_size", "intermediate_size", "num_hidden_layers"] {
            size(config, key)?;
        }
        // Positions are read key by key: older files write them in other places.
        let mut rest = config.clone();
        rest["rope_scaling"] = Json::Null;
        let mut spec: Self =
            serde_json::from_value(rest).map_err(|error| SpecError::Config(error.to_string()))?;
        for key in ["rope_parameters", "rope_scaling"] {
            if let Some(rope) = config.get(key).filter(|value| !value.is_null()) {
                spec.rope_scaling = RopeScaling::of_config(key, rope)?;
                spec.rope_theta = rope["rope_theta"].as_f64().unwrap_or(spec.rope_theta);
            }
        }
        spec.attention_bias |= model_type == "qwen2";
        if model_type == "qwen3" {
            spec.qk_norm = true;
            spec.head_dim = spec.head_dim.or(Some(QWEN3_HEAD));
        }
        if let Some(window) = window(model_type, config) {
            // Within the window all positions are seen, as they are here.
            spec.max_position_embeddings = spec.max_position_embeddings.min(window);
        }
        if config.get("mlp_bias") == Some(&Json::Bool(true)) {
            return Err(SpecError::Config(
                "mlp_bias is not supported; use a model without biases in its MLP".to_owned(),
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
        if let Some(scaling) = &spec.rope_scaling {
            scaling.check()?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(model_type: &str, more: Json) -> Result<LlamaSpec, SpecError> {
        let mut config = json!({
            "model_type": model_type, "vocab_size": 7, "hidden_size": 8, "intermediate_size": 6,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 9000,
        });
        let more = more.as_object().expect("keys").clone();
        config.as_object_mut().expect("keys").extend(more);
        let (spec, _) = LlamaSpec::of_config(&config)?;
        spec.check()?;
        Ok(spec)
    }

    fn complaint(model_type: &str, more: Json) -> String {
        read(model_type, more).expect_err("refused").to_string()
    }

    #[test]
    fn each_type_has_what_its_own_file_leaves_unsaid() {
        let parts = |name| {
            let spec = read(name, json!({})).unwrap();
            (spec.attention_bias, spec.qk_norm, spec.head_width())
        };
        assert_eq!(parts("llama"), (false, false, 4));
        assert_eq!(parts("qwen2"), (true, false, 4));
        assert_eq!(parts("qwen3"), (false, true, 128));
    }

    #[test]
    fn a_window_that_is_used_bounds_the_context() {
        let context = |name, more| read(name, more).unwrap().max_position_embeddings;
        assert_eq!(context("mistral", json!({ "sliding_window": 100 })), 100);
        assert_eq!(context("mistral", json!({ "sliding_window": null })), 9000);
        assert_eq!(context("mistral", json!({})), 4096);
        assert_eq!(context("qwen2", json!({ "sliding_window": 100 })), 9000);
        let used = json!({ "sliding_window": 100, "use_sliding_window": true });
        assert_eq!(context("qwen3", used), 100);
        assert!(complaint("mistral", json!({ "sliding_window": 0 })).contains("position"));
    }

    #[test]
    fn scaled_positions_are_read_wherever_they_stand() {
        let llama3 = json!({
            "type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 1024,
        });
        let older = read(
            "llama",
            json!({ "rope_scaling": llama3, "rope_theta": 5e5 }),
        )
        .unwrap();
        let mut newer = llama3.clone();
        newer["rope_theta"] = 5e5.into();
        assert_eq!(
            older,
            read("llama", json!({ "rope_parameters": newer })).unwrap()
        );
        assert_eq!(older.frequencies().len(), 2);
        let plain = read(
            "llama",
            json!({ "rope_scaling": { "rope_type": "default" } }),
        )
        .unwrap();
        assert_eq!(plain.rope_scaling, None);

        let with = |key: &str, value: Json| {
            let mut changed = llama3.clone();
            changed[key] = value;
            complaint("llama", json!({ "rope_scaling": changed }))
        };
        assert!(with("type", "yarn".into()).contains("rope_scaling of type `yarn`"));
        assert!(with("factor", json!(null)).contains("rope_scaling"));
        assert!(with("factor", 0.into()).contains("rope_scaling.factor is 0"));
        assert!(with("high_freq_factor", 1.into()).contains("above low_freq_factor"));
    }

    #[test]
    fn what_is_not_computed_here_is_refused_by_key() {
        assert!(complaint("llama", json!({ "mlp_bias": true })).contains("mlp_bias"));
        assert!(complaint("llama", json!({ "hidden_act": "gelu" })).contains("gelu"));
    }
}
