//! Items and events, for programs as JSON and for models as lines.

use engraft_memory::{Event, Id, Item, Operation, Source, State, recall::Found};
use serde_json::{Value, json};

/// What a program may want to know of an item. The data of episodes is left out: it is large, and for the
/// programs that wrote it.
pub(super) fn item(item: &Item) -> Value {
    let content = &item.content;
    json!({
        "id": item.id,
        "text": content.text,
        "kind": content.kind,
        "scope": content.scope,
        "role": content.role,
        "votes": content.votes,
        "pinned": item.pinned,
        "state": item.state,
        "source": content.source,
        "happened": content.happened,
        "added": item.added,
        "changed": item.changed,
    })
}

/// An item with its score. Pinned ones have none: they come first whatever is asked.
pub(super) fn found(found: &Found) -> Value {
    let mut shown = item(&found.item);
    if found.score.is_finite() {
        shown["score"] = json!(found.score);
    }
    shown
}

/// `[id] text (votes, source, date)`.
pub(super) fn line(item: &Item) -> String {
    let content = &item.content;
    let mut notes = Vec::new();
    if item.pinned {
        notes.push("pinned".to_owned());
    }
    notes.push(format!("{:+} votes", content.votes));
    if !content.scope.is_empty() {
        notes.push(format!("scope {}", content.scope));
    }
    if !content.role.is_empty() {
        notes.push(format!("role {}", content.role));
    }
    notes.extend(source(&content.source));
    let day = content.happened.unwrap_or(item.added);
    notes.push(day.strftime("%Y-%m-%d").to_string());
    format!("[{}] {} ({})", item.id, content.text, notes.join(", "))
}

/// Whether an item still holds.
pub(super) fn standing(item: &Item) -> String {
    match &item.state {
        State::Current => "It holds.".to_owned(),
        State::Removed => "It was removed.".to_owned(),
        State::SupersededBy(id) => format!("{id} holds in its place."),
        State::MergedInto(id) => format!("{id} says the same and holds in its place."),
    }
}

/// An event as the log has it, without the data of episodes.
pub(super) fn entry(event: &Event) -> Value {
    let mut shown = json!(event);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("data");
        if let Some(item) = fields.get_mut("item").and_then(Value::as_object_mut) {
            item.remove("data");
        }
    }
    shown
}

/// `event 7, 2026-01-31T12:00:00Z, claude: voted +1`.
pub(super) fn event(event: &Event) -> String {
    let did = match &event.operation {
        Operation::Add { item, .. } => format!("added {:?}", item.text),
        Operation::Edit {
            text: Some(text), ..
        } => format!("changed the text to {text:?}"),
        Operation::Edit { text: None, .. } => "changed the data".to_owned(),
        Operation::Remove { reason, .. } => format!("removed it: {reason}"),
        Operation::Vote { by, .. } => format!("voted {by:+}"),
        Operation::Merge { from, into } => format!("merged {} into {into}", names(from)),
        Operation::Supersede { old, new } => format!("superseded {old} by {new}"),
        Operation::Pin { pinned: true, .. } => "pinned it".to_owned(),
        Operation::Pin { pinned: false, .. } => "took its pin off".to_owned(),
    };
    format!("event {}, {}, {}: {did}", event.seq, event.at, event.by)
}

fn source(source: &Source) -> Option<String> {
    let file = source.file.as_ref().map(|file| match source.line {
        Some(line) => format!("{file}:{line}"),
        None => file.clone(),
    });
    let run = source.run.as_ref().map(|run| format!("run {run}"));
    let message = source
        .message
        .as_ref()
        .map(|message| format!("message {message}"));
    let parts: Vec<String> = [file, run, message].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("from {}", parts.join(" ")))
}

fn names(ids: &[Id]) -> String {
    let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
    names.join(", ")
}
