//! Model folders as Hugging Face writes them: weights, `config.json`, tokenizer.

use std::path::Path;

use burn::tensor::Device;
use engraft_files::{Checkpoint, FolderError, Tokenizer, write_folder};
use serde_json::{Value, json};

use crate::{Network, spec::from_config_of, weights::serialize};

/// What was in a folder.
pub struct Loaded {
    pub network: Box<dyn Network>,
    pub tokenizer: Option<Tokenizer>,
}

/// Loads a model folder or a GGUF file; everything is checked before anything is returned.
pub fn load_folder(path: &Path, device: &Device) -> Result<Loaded, FolderError> {
    let checkpoint = Checkpoint::open(path)?;
    let mut network =
        from_config_of(checkpoint.config(), checkpoint.extent(), device).map_err(|source| {
            FolderError::Spec {
                path: path.to_owned(),
                source,
            }
        })?;
    for parameter in network.parameters_mut() {
        let stored = checkpoint.needed(&parameter.name, &parameter.value.dims())?;
        parameter.value = parameter.holding(stored.numbers()?);
    }
    let parameters = network.parameters();
    let known: Vec<&str> = parameters.iter().map(|known| known.name.as_str()).collect();
    checkpoint.nothing_else(&known)?;
    checkpoint.vocabulary_fits(network.capabilities().classes)?;
    Ok(Loaded {
        tokenizer: checkpoint.tokenizer().cloned(),
        network,
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
