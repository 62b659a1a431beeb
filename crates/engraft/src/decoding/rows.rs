//! Files of one JSON object a line.

use std::path::Path;

use engraft_train::data::{DataError, file};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads every line (plain or gzip) as a row.
///
/// # Errors
/// A file that cannot be read, is empty or not UTF-8; a line that is no such row, with its number.
pub fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, DataError> {
    rows_as(path, |value| {
        serde_json::from_value(value).map_err(|error| error.to_string())
    })
}

/// The same with a reading of its own.
///
/// # Errors
/// As [`rows`].
pub fn rows_as<T>(
    path: &Path,
    row: impl Fn(Value) -> Result<T, String>,
) -> Result<Vec<T>, DataError> {
    let text = file::read_utf8(path)?;
    let lines = text.lines().enumerate();
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(at, line)| {
            let value = serde_json::from_str(line)
                .map_err(|error| format!("is not JSON ({error}); write one object a line"));
            let read = value.and_then(&row);
            read.map_err(|problem| DataError::line(path, at + 1, problem))
        })
        .collect()
}
