//! Running commands on work copies.
//!
//! What runs was written by a model, perhaps after reading text that somebody planted: it is taken
//! to be hostile. [`Sandbox`] keeps it in its work copy; [`Unsandboxed`] only limits it.

use std::{path::Path, time::Duration};

mod disk;
mod experepair;
mod filter;
mod interpreter;
mod layout;
mod limits;
mod output;
mod processes;
mod sandbox;
mod start;
mod supervise;
mod unsandboxed;

pub use experepair::{as_experepair, cut_lines};
pub use limits::Limits;
pub use sandbox::Sandbox;
pub use unsandboxed::Unsandboxed;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; 128 and the signal's number where a signal ended it; 126 or 127 where there
    /// is no such program in reach; -1 for a command that was stopped.
    pub code: i32,
    /// What it printed; bytes that are not UTF-8 became U+FFFD, and of long output only the head and
    /// the tail are kept.
    pub stdout: String,
    /// As `stdout`.
    pub stderr: String,
    /// Why it was stopped, if it was.
    pub stopped: Option<Stopped>,
    pub took: Duration,
}

/// A limit that a command ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It took too long.
    Time,
    /// Its processes held too much memory together.
    Memory,
    /// It had too many processes or threads.
    Processes,
    /// It printed without end.
    Output,
    /// The work copy grew too much.
    Disk,
}

/// Runs commands where they can do no harm.
pub trait Executor: Send + Sync {
    /// Runs a program with its arguments in a folder, the only place where it may write.
    ///
    /// # Errors
    /// If it cannot be started at all; a program that fails is an outcome.
    fn run(&self, folder: &Path, command: &[&str]) -> Result<Outcome, ExecuteError>;
}

/// Why nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The run was told to stop while it ran.
    #[error("stopped")]
    Stopped,
    #[error("{0}")]
    Failed(String),
}
