//! What can go wrong in a run; every message names the file or key and the way out.

use std::path::{Path, PathBuf};

/// Errors of the training loop and its files.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("training setting `{key}`: {problem}")]
    Setting { key: String, problem: String },

    #[error(
        "the loss became {value} at step {step}; lower `lr`, lengthen `warmup` or set `clip`, and \
         look for broken values in the data"
    )]
    LossNotFinite { step: usize, value: f64 },

    #[error(
        "the gradient of `{parameter}` is not finite at step {step} (loss {loss}); lower `lr`, \
         lengthen `warmup` or look for broken values in the data"
    )]
    GradientNotFinite {
        step: usize,
        parameter: String,
        loss: f64,
    },

    #[error("no parameter receives a gradient at step {step}; unfreeze some parameters")]
    NothingToTrain { step: usize },

    #[error("{}: {problem}; delete the file to start this run from its beginning", path.display())]
    Checkpoint { path: PathBuf, problem: String },

    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },

    #[error(
        "stopped at step {step} of {total}{}",
        match checkpoint {
            Some(path) => format!("; run it again to continue from {}", path.display()),
            None => "; nothing was kept, because the run has no checkpoint file".to_owned(),
        }
    )]
    Stopped {
        step: usize,
        total: usize,
        checkpoint: Option<PathBuf>,
    },
}

impl TrainError {
    pub(crate) fn setting(key: &str, problem: impl Into<String>) -> Self {
        Self::Setting {
            key: key.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn checkpoint(path: &Path, problem: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }
}
