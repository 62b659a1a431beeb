//! GGUF model files: one file with metadata, tokenizer and (quantised) weights of the Llama family.

mod container;
mod model;
mod quantised;
mod vocabulary;

use std::path::{Path, PathBuf};

pub(crate) use model::load;

/// Why a GGUF file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct GgufError {
    path: PathBuf,
    problem: String,
}

impl GgufError {
    fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Whether a path is such a file, by its name.
pub(crate) fn is_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "gguf")
}
