//! Where the files of a sentence encoder lie, and what they say about reading and pooling.

use std::{
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use crate::FolderError;

/// How texts are read.
pub(super) struct Reading {
    /// Longest text in tokens, the special ones included.
    pub tokens: usize,
    /// The file and the key that say so.
    pub said_by: (PathBuf, &'static str),
    /// Texts are lowercased, whatever the tokenizer does.
    pub lower_case: bool,
}

pub(super) fn refused(path: &Path, problem: impl Into<String>) -> FolderError {
    FolderError::Config {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// A JSON file that must be there.
pub(super) fn json(path: &Path) -> Result<Value, FolderError> {
    let text = std::fs::read(path).map_err(|error| {
        let wanted = "give the folder of a sentence encoder, whole: config.json, model.safetensors, \
                      tokenizer.json and what lies beside them";
        refused(path, format!("cannot be read ({error}); {wanted}"))
    })?;
    serde_json::from_slice(&text)
        .map_err(|error| refused(path, format!("is not JSON ({error}); copy it again")))
}

/// A JSON file that need not be there.
fn optional(path: &Path) -> Result<Option<Value>, FolderError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => json(path).map(Some),
    }
}

/// The folder of the encoder itself, which `modules.json` may put below `folder`.
///
/// # Errors
/// Modules other than an encoder, mean pooling and normalisation.
pub(super) fn encoder(folder: &Path) -> Result<PathBuf, FolderError> {
    let path = folder.join("modules.json");
    let Some(modules) = optional(&path)? else {
        let pooling = folder.join("1_Pooling").join("config.json");
        if let Some(config) = optional(&pooling)? {
            mean_pooling(&pooling, &config)?;
        }
        return Ok(folder.to_owned());
    };
    let listed = modules
        .as_array()
        .ok_or_else(|| refused(&path, "is no list of modules; copy it again"))?;
    let (mut encoder, mut pooling) = (None, None);
    for module in listed {
        let kind = module["type"].as_str().unwrap_or_default();
        // Their place in the package changed between versions, their names did not.
        match kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" if encoder.is_none() => encoder = Some(below(folder, &path, module)?),
            "Pooling" if pooling.is_none() => pooling = Some(below(folder, &path, module)?),
            "Normalize" => {}
            _ => {
                let problem = format!(
                    "has a module of `type` `{kind}`; only one Transformer, one Pooling and \
                     Normalize are run here: use a model of these"
                );
                return Err(refused(&path, problem));
            }
        }
    }
    let (Some(encoder), Some(pooling)) = (encoder, pooling) else {
        let problem = "lists no Transformer or no Pooling; give the folder of a sentence encoder";
        return Err(refused(&path, problem));
    };
    let pooling = pooling.join("config.json");
    mean_pooling(&pooling, &json(&pooling)?)?;
    Ok(encoder)
}

/// The folder of a module, which is below that of the model or the same.
fn below(folder: &Path, file: &Path, module: &Value) -> Result<PathBuf, FolderError> {
    let path = Path::new(module["path"].as_str().unwrap_or_default());
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    match path.components().all(inside) {
        true => Ok(folder.join(path)),
        false => {
            let problem = format!(
                "has a module whose `path` `{}` is outside the folder; copy the model again",
                path.display()
            );
            Err(refused(file, problem))
        }
    }
}

/// Refuses any pooling but the mean of all tokens, by its name.
fn mean_pooling(path: &Path, config: &Value) -> Result<(), FolderError> {
    let on = |(key, value): (&String, &Value)| {
        (key.starts_with("pooling_mode_") && value == &Value::Bool(true)).then(|| key.clone())
    };
    let modes: Vec<String> = match &config["pooling_mode"] {
        // Older files have one flag a mode; none of them set means the mean.
        Value::Null => config
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(on)
            .collect(),
        Value::Array(modes) => modes.iter().map(name).collect(),
        mode => vec![name(mode)],
    };
    let mean = |mode: &String| mode == "mean" || mode == "pooling_mode_mean_tokens";
    match modes.len() <= 1 && modes.iter().all(mean) {
        true => Ok(()),
        false => {
            let problem = format!(
                "pools by `{}`; only mean pooling (`pooling_mode` `mean`, or \
                 `pooling_mode_mean_tokens` alone) is done here: use a model that pools so",
                modes.join("` and `")
            );
            Err(refused(path, problem))
        }
    }
}

fn name(mode: &Value) -> String {
    mode.as_str()
        .map_or_else(|| mode.to_string(), str::to_owned)
}

/// How long a text may be and whether it is lowercased; `positions` is what the model can tell apart.
pub(super) fn reading(folder: &Path, positions: usize) -> Result<Reading, FolderError> {
    let path = folder.join("sentence_bert_config.json");
    let config = optional(&path)?.unwrap_or_default();
    let lower_case = config["do_lower_case"] == true;
    let said = |tokens: usize, path: PathBuf, key: &'static str| Reading {
        tokens,
        said_by: (path, key),
        lower_case,
    };
    let key = "max_seq_length";
    match &config[key] {
        Value::Null => {}
        value => match value.as_u64().map(|tokens| tokens as usize) {
            Some(tokens) if tokens <= positions => return Ok(said(tokens, path, key)),
            _ => {
                let problem = format!(
                    "{key} is {value}; it must be a number of tokens up to the {positions} positions \
                     of the model (`max_position_embeddings` in config.json)"
                );
                return Err(refused(&path, problem));
            }
        },
    }
    let path = folder.join("tokenizer_config.json");
    let key = "model_max_length";
    // Written as a number beyond all integers where there is no limit.
    let length = optional(&path)?.and_then(|config| config[key].as_f64());
    Ok(match length {
        Some(tokens) if tokens < positions as f64 => said(tokens as usize, path, key),
        _ => {
            let path = folder.join("config.json");
            said(positions, path, "max_position_embeddings")
        }
    })
}
