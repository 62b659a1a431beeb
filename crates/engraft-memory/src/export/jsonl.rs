//! One line of JSON for each item, its keys always in the same order.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry::{Entry, wrong};
use crate::{Id, Item, MemoryError, State};

pub(super) fn write(items: &[Item]) -> Result<String, MemoryError> {
    let mut lines = String::new();
    for item in items {
        let line = serde_json::to_string(item).map_err(|error| MemoryError::Place {
            place: item.id.to_string(),
            problem: format!("cannot be written as JSON ({error}); remove it"),
        })?;
        lines.push_str(&line);
        lines.push('\n');
    }
    Ok(lines)
}

/// What belongs to the item and not to its content. Dates and places in the log are the store's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Around {
    id: Option<Id>,
    #[serde(default)]
    pinned: bool,
    state: Option<State>,
    #[serde(rename = "added")]
    _added: Option<Value>,
    #[serde(rename = "changed")]
    _changed: Option<Value>,
    #[serde(rename = "first")]
    _first: Option<Value>,
    #[serde(rename = "last")]
    _last: Option<Value>,
}

const AROUND: [&str; 7] = ["id", "pinned", "state", "added", "changed", "first", "last"];

pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Entry>, MemoryError> {
    let lines = text.split('\n').zip(1..);
    let filled = lines.filter(|(line, _)| !line.trim().is_empty());
    filled
        .map(|(line, number)| entry(path, number, line))
        .collect()
}

fn entry(path: &Path, line: usize, text: &str) -> Result<Entry, MemoryError> {
    let bad = |error: serde_json::Error| {
        let help = "mend the line or delete it";
        wrong(path, line, format!("is no item as JSON ({error}); {help}"))
    };
    // Split by hand, so that a key that nobody knows is an error and not lost.
    let entries: Map<String, Value> = serde_json::from_str(text).map_err(bad)?;
    let (around, content): (Map<_, _>, Map<_, _>) = entries
        .into_iter()
        .partition(|(key, _)| AROUND.contains(&key.as_str()));
    let around: Around = serde_json::from_value(Value::Object(around)).map_err(bad)?;
    if around.state.is_some_and(|state| state != State::Current) {
        let help = "only current items are read, delete the line";
        return Err(wrong(
            path,
            line,
            format!("the item is no longer current; {help}"),
        ));
    }
    Ok(Entry {
        path: path.to_owned(),
        line,
        id: around.id,
        content: serde_json::from_value(Value::Object(content)).map_err(bad)?,
        pinned: around.pinned,
    })
}
