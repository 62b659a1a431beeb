//! What an item may be: texts that a person can read and every table and file can hold.

use serde_json::Value;

use crate::{Draft, Id, MemoryError};

/// Longest text, in bytes.
pub const TEXT: usize = 1 << 20;
/// Longest data, in bytes of JSON.
pub const DATA: usize = 16 << 20;
/// How deep data may be nested: what is deeper could be written but not be read again.
pub const DEPTH: usize = 64;
/// Longest scope, role or name, in bytes.
pub const LINE: usize = 4 << 10;

/// Refuses an item that could not be kept.
pub(super) fn draft(draft: &Draft) -> Result<(), MemoryError> {
    text(&draft.text)?;
    data(&draft.data)?;
    line("the scope", &draft.scope)?;
    line("the role", &draft.role)?;
    let source = &draft.source;
    for (what, value) in [
        ("the source's run", &source.run),
        ("the source's message", &source.message),
        ("the source's file", &source.file),
        ("the source's hash", &source.hash),
    ] {
        line(what, value.as_deref().unwrap_or_default())?;
    }
    match source.line {
        Some(line) if i64::try_from(line).is_err() => {
            refused(format!("the source's line is {line}; no file is that long"))
        }
        _ => Ok(()),
    }
}

pub(super) fn text(text: &str) -> Result<(), MemoryError> {
    if text.trim().is_empty() {
        return refused("the text is empty; say what is to be kept".to_owned());
    }
    if text.len() > TEXT {
        return refused(format!(
            "the text has {} bytes and {TEXT} are the most; keep the file and note where it is",
            text.len()
        ));
    }
    match text.contains('\0') {
        true => refused("the text holds a NUL character; it is no text, leave that out".to_owned()),
        false => Ok(()),
    }
}

pub(super) fn data(data: &Value) -> Result<(), MemoryError> {
    if depth(data) > DEPTH {
        return refused(format!(
            "the data is nested deeper than {DEPTH} levels; flatten it"
        ));
    }
    let length = data.to_string().len();
    match length > DATA {
        true => refused(format!(
            "the data has {length} bytes of JSON and {DATA} are the most; keep less of it"
        )),
        false => Ok(()),
    }
}

/// Why something was removed; it may be left open.
pub(super) fn reason(reason: &str) -> Result<(), MemoryError> {
    match reason.trim().is_empty() {
        true => Ok(()),
        false => text(reason),
    }
}

/// Scopes, roles and names: one line each.
pub(super) fn line(what: &str, line: &str) -> Result<(), MemoryError> {
    if line.len() > LINE {
        return refused(format!(
            "{what} has {} bytes and {LINE} are the most; shorten it",
            line.len()
        ));
    }
    match line.chars().find(|character| character.is_control()) {
        Some(character) => refused(format!(
            "{what} holds the control character {character:?}; it is to be one line of text"
        )),
        None => Ok(()),
    }
}

/// The numbers that a model made of an item's text.
pub(super) fn embedding(id: &Id, model: &str, numbers: &[f32]) -> Result<(), MemoryError> {
    match numbers.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
        true => refused(format!(
            "the embedding of `{id}` by {model} is empty or holds a number that is not finite; compute \
             it again"
        )),
        false => Ok(()),
    }
}

/// Levels of nesting: 0 for a plain value. Stops looking where it is too deep, so that no data can
/// exhaust the stack.
fn depth(data: &Value) -> usize {
    fn below(data: &Value, left: usize) -> usize {
        if left == 0 {
            return 0;
        }
        let deepest = match data {
            Value::Array(values) => values.iter().map(|value| below(value, left - 1)).max(),
            Value::Object(entries) => entries.values().map(|value| below(value, left - 1)).max(),
            _ => return 0,
        };
        1 + deepest.unwrap_or(0)
    }
    below(data, DEPTH + 1)
}

fn refused<T>(problem: String) -> Result<T, MemoryError> {
    Err(MemoryError::Refused(problem))
}
