//! What can go wrong with a memory.

use std::path::PathBuf;

/// Each says what is wrong, where, and what helps.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error("{place}: {problem}")]
    Place { place: String, problem: String },
    #[error("there is no item `{0}` in this memory; `engraft memory show` lists them")]
    Unknown(String),
    #[error("{0}")]
    Refused(String),
}
