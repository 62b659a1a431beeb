//! A model on disk, opened: a Hugging Face folder or a GGUF file, with its tensors by their Hugging
//! Face names.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::{
    Extent, GgufError, SpecError, Stored, Tokenizer, WriteError,
    gguf::{Gguf, is_gguf},
    safetensors::{Store, WeightsError},
    tokenizer::TokenizerError,
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

/// A model's configuration, tokenizer and weights, the weights unread.
pub struct Checkpoint {
    path: PathBuf,
    config: Json,
    tokenizer: Option<Tokenizer>,
    weights: Weights,
}

enum Weights {
    Folder(Store),
    Gguf(Gguf),
}

impl Checkpoint {
    /// Opens a folder or a GGUF file. A `tokenizer.json` beside a GGUF file counts before the
    /// tokenizer inside.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        match is_gguf(path) {
            true => Self::of_gguf(path),
            false => Self::of_folder(path),
        }
    }

    fn of_gguf(path: &Path) -> Result<Self, FolderError> {
        let gguf = Gguf::open(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let tokenizer = match folder.join("tokenizer.json").exists() {
            true => Tokenizer::of_folder(folder, gguf.config())?,
            false => Some(gguf.tokenizer()?),
        };
        Ok(Self {
            path: path.to_owned(),
            config: gguf.config().clone(),
            tokenizer,
            weights: Weights::Gguf(gguf),
        })
    }

    fn of_folder(path: &Path) -> Result<Self, FolderError> {
        let file = path.join("config.json");
        let fail = |problem: String| FolderError::Config {
            path: file.clone(),
            problem,
        };
        let text = std::fs::read(&file)
            .map_err(|error| fail(format!("cannot be read ({error}); give a model folder")))?;
        let config: Json = serde_json::from_slice(&text)
            .map_err(|error| fail(format!("is not JSON ({error}); copy it again")))?;
        let weights = Weights::Folder(Store::open(path)?);
        let tokenizer = Tokenizer::of_folder(path, &config)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            tokenizer,
            weights,
        })
    }

    /// The folder or file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.json`.
    pub fn config(&self) -> &Json {
        &self.config
    }

    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// What the files hold.
    pub fn extent(&self) -> Extent {
        match &self.weights {
            Weights::Folder(store) => store.extent(),
            Weights::Gguf(gguf) => gguf.extent(),
        }
    }

    /// A parameter as it is stored, by its Hugging Face name; `None` if the files lack it.
    pub fn stored<'a>(&'a self, parameter: &'a str) -> Result<Option<Stored<'a>>, FolderError> {
        match &self.weights {
            Weights::Folder(store) => Ok(store.stored(parameter)?),
            Weights::Gguf(gguf) => Ok(gguf.stored(parameter)),
        }
    }

    /// The same of a parameter that must be there with this shape.
    pub fn needed<'a>(
        &'a self,
        parameter: &'a str,
        shape: &[usize],
    ) -> Result<Stored<'a>, FolderError> {
        Ok(match &self.weights {
            Weights::Folder(store) => store.needed(parameter, shape)?,
            Weights::Gguf(gguf) => gguf.needed(parameter, shape)?,
        })
    }

    /// Gives back the memory of a parameter that was read; it can be read again.
    pub fn let_go(&self, parameter: &str) {
        match &self.weights {
            Weights::Folder(store) => store.let_go(parameter),
            Weights::Gguf(gguf) => gguf.let_go(parameter),
        }
    }

    /// Refuses files with a tensor that is none of these parameters: they belong to another model.
    /// A tied head may be stored beside the embedding it equals; counters of PyTorch are left alone.
    pub fn nothing_else(&self, known: &[&str]) -> Result<(), FolderError> {
        match &self.weights {
            Weights::Folder(store) => Ok(store.nothing_else(known)?),
            Weights::Gguf(gguf) => Ok(gguf.nothing_else(known)?),
        }
    }

    /// Refuses a tokenizer with more tokens than the `classes` that the model knows.
    pub fn vocabulary_fits(&self, classes: usize) -> Result<(), FolderError> {
        let largest = self.tokenizer.as_ref().map_or(0, Tokenizer::largest_id);
        if (largest as usize) < classes {
            return Ok(());
        }
        Err(FolderError::Vocabulary {
            path: self.path.clone(),
            largest,
            classes,
        })
    }
}
