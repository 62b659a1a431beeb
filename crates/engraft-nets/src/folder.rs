//! Model folders as Hugging Face writes them: weights, `config.json`, tokenizer.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Value, json};

use crate::{
    Network, SpecError, Tokenizer,
    files::{WriteError, write_folder},
    gguf::{self, GgufError},
    spec::from_config_of,
    tokenizer::TokenizerError,
    weights::{Store, WeightsError, fill, serialize},
};

/// Why a model folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{}: {problem}", path.display())]
    Config { path: PathBuf, problem: String },
    #[error("{}: {source}", path.display())]
    Spec { path: PathBuf, source: SpecError },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    #[error(
        "{}: the tokenizer (tokenizer.json, and the ids of special tokens in config.json) has ids up \
         to {largest}, the model only {classes} of them; the tokenizer belongs to another model",
        path.display()
    )]
    Vocabulary {
        path: PathBuf,
        largest: u32,
        classes: usize,
    },
    #[error("{} is there and is no model folder; choose another place or move it away", .0.display())]
    InTheWay(PathBuf),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What was in a folder.
pub struct Loaded {
    pub network: Box<dyn Network>,
    pub tokenizer: Option<Tokenizer>,
}

/// Loads a model folder or a GGUF file; everything is checked before anything is returned.
pub fn load_folder(path: &Path, device: &Device) -> Result<Loaded, FolderError> {
    if gguf::is_gguf(path) {
        return gguf::load(path, device);
    }
    let file = path.join("config.json");
    let fail = |problem: String| FolderError::Config {
        path: file.clone(),
        problem,
    };
    let text = std::fs::read(&file)
        .map_err(|error| fail(format!("cannot be read ({error}); give a model folder")))?;
    let config: Value = serde_json::from_slice(&text)
        .map_err(|error| fail(format!("is not JSON ({error}); copy it again")))?;
    let weights = Store::open(path)?;
    let mut network =
        from_config_of(&config, weights.extent(), device).map_err(|source| FolderError::Spec {
            path: path.to_owned(),
            source,
        })?;
    fill(&mut *network, &weights)?;
    let tokenizer = Tokenizer::of_folder(path, &config)?;
    fits(path, tokenizer.as_ref(), &*network)?;
    Ok(Loaded { network, tokenizer })
}

/// Refuses a tokenizer with more tokens than the model knows.
pub(crate) fn fits(
    path: &Path,
    tokenizer: Option<&Tokenizer>,
    network: &dyn Network,
) -> Result<(), FolderError> {
    let Some(tokenizer) = tokenizer else {
        return Ok(());
    };
    let (largest, classes) = (tokenizer.largest_id(), network.capabilities().classes);
    if (largest as usize) < classes {
        return Ok(());
    }
    Err(FolderError::Vocabulary {
        path: path.to_owned(),
        largest,
        classes,
    })
}

/// Saves a model folder: all of it appears at once. An earlier model there is replaced; anything
/// else there is an error.
pub fn save_folder(
    path: &Path,
    network: &dyn Network,
    tokenizer: Option<&Tokenizer>,
) -> Result<(), FolderError> {
    if path.exists() && !path.join("config.json").exists() {
        return Err(FolderError::InTheWay(path.to_owned()));
    }
    let pretty = |value: &Value| {
        let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
        text.push(b'\n');
        text
    };
    let mut config = network.config();
    let mut files = Vec::new();
    if let Some(tokenizer) = tokenizer {
        // What a loaded model says itself stays: it may stop at several tokens.
        let ids = [
            ("bos_token_id", tokenizer.start_of_text()),
            ("eos_token_id", Some(tokenizer.end_of_text())),
            ("pad_token_id", Some(tokenizer.pad())),
        ];
        for (key, id) in ids {
            if config[key].is_null()
                && let Some(id) = id
            {
                config[key] = id.into();
            }
        }
        files.push(("tokenizer.json", tokenizer.json().into_bytes()));
        files.push(("tokenizer_config.json", pretty(&tokenizer.config())));
        let generation = json!({
            "bos_token_id": config["bos_token_id"],
            "eos_token_id": config["eos_token_id"],
            "pad_token_id": config["pad_token_id"],
        });
        files.push(("generation_config.json", pretty(&generation)));
    }
    files.push(("config.json", pretty(&config)));
    files.push(("model.safetensors", serialize(network)));
    write_folder(path, &files)?;
    Ok(())
}
