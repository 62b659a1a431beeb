//! What can be wrong with data; every message names the file and the way out.

use std::path::{Path, PathBuf};

/// Errors of data sets and their files.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{}: cannot be read ({source}); check the path and its permissions", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },

    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        problem: String,
    },

    #[error("data setting `{key}`: {problem}")]
    Setting { key: &'static str, problem: String },
}

impl DataError {
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub fn line(path: &Path, line: usize, problem: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            problem: problem.into(),
        }
    }

    pub(crate) fn setting(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting {
            key,
            problem: problem.into(),
        }
    }
}
