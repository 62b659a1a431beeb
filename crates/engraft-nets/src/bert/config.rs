//! What the `config.json` of an encoder says, and what of it is not computed here.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::layout::{json, refused};
use crate::FolderError;

/// What a `config.json` says.
#[derive(Deserialize)]
pub(super) struct Config {
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default = "usual_types")]
    pub type_vocab_size: usize,
    #[serde(default = "usual_eps")]
    pub layer_norm_eps: f64,
}

fn usual_types() -> usize {
    2
}

fn usual_eps() -> f64 {
    1e-12
}

impl Config {
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join("config.json");
        let written = json(&path)?;
        // What must be so, and what it means where nothing is written.
        for (key, wanted, unwritten) in [
            ("model_type", Value::from("bert"), Value::Null),
            ("hidden_act", "gelu".into(), "gelu".into()),
            (
                "position_embedding_type",
                "absolute".into(),
                "absolute".into(),
            ),
            ("is_decoder", false.into(), false.into()),
        ] {
            let found = match &written[key] {
                Value::Null => &unwritten,
                found => found,
            };
            if *found != wanted {
                let problem = format!(
                    "{key} is {found}, and only {wanted} is read here; use a BERT sentence encoder \
                     of that kind, such as all-MiniLM-L6-v2"
                );
                return Err(refused(&path, problem));
            }
        }
        let config: Self = serde_json::from_value(written)
            .map_err(|error| refused(&path, format!("{error}; copy it again")))?;
        for (key, size) in [
            ("vocab_size", config.vocab_size),
            ("max_position_embeddings", config.max_position_embeddings),
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", config.num_attention_heads),
            ("type_vocab_size", config.type_vocab_size),
        ] {
            if size == 0 {
                return Err(refused(&path, format!("{key} is 0; it must be 1 or more")));
            }
        }
        let (width, heads) = (config.hidden_size, config.num_attention_heads);
        if !width.is_multiple_of(heads) {
            let problem = format!(
                "hidden_size is {width}, which {heads} heads (`num_attention_heads`) do not divide; copy it again"
            );
            return Err(refused(&path, problem));
        }
        let eps = config.layer_norm_eps;
        if !(eps.is_finite() && eps > 0.0) {
            let problem = format!("layer_norm_eps is {eps}; it must be above 0");
            return Err(refused(&path, problem));
        }
        Ok(config)
    }
}
