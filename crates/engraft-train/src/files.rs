//! Where a run writes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::TrainError;

/// The files of one run; what is `None` is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFiles {
    /// Everything needed to resume exactly, one safetensors file.
    pub checkpoint: Option<PathBuf>,
    /// The curve as JSON lines.
    pub metrics: Option<PathBuf>,
    /// Folder for a TensorBoard event file.
    pub events: Option<PathBuf>,
    /// Write the checkpoint after the last step too, where the caller may not store the network.
    pub keep_end: bool,
    /// Whatever decides the result besides the settings and the first weights (data, method,
    /// teacher), as text or as a hash: a checkpoint of another key is not resumed.
    pub key: String,
}

impl RunFiles {
    /// Nothing is written.
    pub fn none() -> Self {
        Self::default()
    }

    /// The usual names inside a folder.
    pub fn in_folder(folder: &Path, key: impl Into<String>) -> Self {
        Self {
            checkpoint: Some(folder.join("checkpoint.safetensors")),
            metrics: Some(folder.join("metrics.jsonl")),
            events: Some(folder.join("events")),
            keep_end: false,
            key: key.into(),
        }
    }

    /// Deletes the checkpoint; for the caller, once it has stored the trained network.
    pub fn remove_checkpoint(&self) -> Result<(), TrainError> {
        let Some(path) = &self.checkpoint else {
            return Ok(());
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(TrainError::io(path, "delete the checkpoint")(error))
            }
            _ => Ok(()),
        }
    }
}
