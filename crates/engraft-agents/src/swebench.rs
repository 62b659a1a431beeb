//! SWE-bench: issues read, predictions read and written, results graded, instances chosen.
//!
//! The files of the benchmark hold the solution beside the issue. What an agent works from has no field
//! for it ([`Instance`]), so that it cannot leak into a prompt or a run folder.

mod check;
mod choose;
mod grade;
mod instance;
mod prediction;

pub use check::CHECKS;
pub use choose::{Choice, ChoiceError, Slice};
pub use grade::{Counts, Resolution, resolution};
pub use instance::{Instance, read_instances};
pub use prediction::{Format, Prediction, read_predictions, write_predictions};

use std::path::PathBuf;

/// Why a file of the benchmark cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SweBenchError {
    #[error("{}: cannot be read: {source}; check the path", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        problem: String,
    },
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error(transparent)]
    Write(#[from] engraft_files::WriteError),
}
