//! Other programs: JSON lines on standard input, an answer to each on standard output.

use std::io::{BufRead, IsTerminal};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::say::say;

/// Answers every line as it comes; `advice` is for a person who gave neither words nor lines.
///
/// # Errors
/// A line that cannot be read or answered, by its number; the lines before it have been answered.
pub(super) fn answer<T: DeserializeOwned>(
    advice: &str,
    mut answer: impl FnMut(T) -> anyhow::Result<Value>,
) -> anyhow::Result<()> {
    let input = std::io::stdin();
    anyhow::ensure!(!input.is_terminal(), "{advice}");
    for (number, line) in input.lock().lines().enumerate() {
        let place = || format!("standard input, line {}", number + 1);
        let line = line.with_context(|| format!("{}: cannot be read as UTF-8", place()))?;
        if line.trim().is_empty() {
            continue;
        }
        let read = serde_json::from_str(&line).with_context(place)?;
        let answered = answer(read).with_context(place)?;
        say(&format!("{answered}\n"));
    }
    Ok(())
}
