//! A list of items as Markdown: a section for each item, with a few lines about it and then its text.
//!
//! The text stands there as it is. What could be mistaken for the start of another section gets a
//! backslash, and white space at its ends, which no reader sees, is written among the lines about it.

mod read;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use read::read;

use crate::{Draft, Item};

/// How the line starts that begins a section.
const SECTION: &str = "## ";
/// What stands there instead of the name of an item that is new.
const NEW: &str = "new";

/// The items of one list.
pub(super) fn write(items: &[Item]) -> String {
    let mut out = String::new();
    if let Some(item) = items.first() {
        head(&mut out, &item.content);
    }
    for item in items {
        section(&mut out, item);
    }
    out
}

fn head(out: &mut String, content: &Draft) {
    let kind = content.kind.name();
    out.push_str(&format!("# {kind}s\n\nkind: {kind}\n"));
    for (key, value) in [("scope", &content.scope), ("role", &content.role)] {
        if !value.is_empty() {
            line(out, key, &plain(value));
        }
    }
}

fn section(out: &mut String, item: &Item) {
    let content = &item.content;
    let source = &content.source;
    out.push_str(&format!("\n{SECTION}{}\n\n", item.id));
    line(out, "votes", &content.votes.to_string());
    if item.pinned {
        line(out, "pinned", "true");
    }
    let time = |time: Timestamp| Some(time.to_string());
    let text = |text: &Option<String>| text.as_deref().map(plain);
    for (key, value) in [
        ("happened", content.happened.and_then(time)),
        ("added", time(item.added)),
        ("changed", time(item.changed)),
        ("run", text(&source.run)),
        ("message", text(&source.message)),
        ("file", text(&source.file)),
        ("line", source.line.map(|line| line.to_string())),
        ("hash", text(&source.hash)),
    ] {
        if let Some(value) = value {
            line(out, key, &value);
        }
    }
    if content.data != Value::Null {
        line(out, "data", &content.data.to_string());
    }
    let (before, body, after) = ends(&content.text);
    for (key, end) in [("before", before), ("after", after)] {
        if !end.is_empty() {
            line(out, key, &json!(end).to_string());
        }
    }
    out.push('\n');
    for line in body.split('\n') {
        if starts_section(line.trim_start_matches('\\')) {
            out.push('\\');
        }
        out.push_str(line);
        out.push('\n');
    }
}

fn line(out: &mut String, key: &str, value: &str) {
    out.push_str(&format!("{key}: {value}\n"));
}

/// A value as it is, or as JSON where it would not be read back as it is.
fn plain(value: &str) -> String {
    let as_it_is = !value.is_empty()
        && value == value.trim()
        && !value.starts_with('"')
        && !value.contains(char::is_control);
    match as_it_is {
        true => value.to_owned(),
        false => json!(value).to_string(),
    }
}

/// A text as white space, what is seen of it, and white space.
fn ends(text: &str) -> (&str, &str, &str) {
    let body = text.trim_start();
    let before = &text[..text.len() - body.len()];
    let seen = body.trim_end();
    (before, seen, &body[seen.len()..])
}

fn starts_section(line: &str) -> bool {
    line.starts_with(SECTION) || line.trim_end() == SECTION.trim_end()
}
