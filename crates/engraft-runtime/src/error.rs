//! What can go wrong between a model's files and its logits.

use engraft_files::{FolderError, SpecError, WeightsError};

/// Why a model could not be loaded or fed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(transparent)]
    Files(#[from] FolderError),
    #[error("{}: {source}", path.display())]
    Spec {
        path: std::path::PathBuf,
        source: SpecError,
    },
    #[error(
        "token {token} is beyond the vocabulary of {vocab}; the text was tokenized for another model"
    )]
    Token { token: u32, vocab: usize },
    #[error(
        "{wanted} tokens do not fit the model's context of {context}; shorten the text or the answer"
    )]
    Context { wanted: usize, context: usize },
}

impl From<WeightsError> for RuntimeError {
    fn from(error: WeightsError) -> Self {
        Self::Files(error.into())
    }
}
