//! The tools that a model may call, one a file.

mod forget;
mod history;
mod recall;
mod remember;
mod vote;

use engraft_memory::MemoryError;
use rmcp::model::{JsonObject, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::memory::Memory;

/// Every tool.
pub(super) static ALL: [Tool; 5] = [
    remember::TOOL,
    recall::TOOL,
    vote::TOOL,
    forget::TOOL,
    history::TOOL,
];

/// A tool as clients see it, and what it does.
pub(super) struct Tool {
    pub name: &'static str,
    title: &'static str,
    description: &'static str,
    effect: Effect,
    /// What arguments there are, and which of them a call needs.
    properties: fn() -> Value,
    required: &'static [&'static str],
    /// Does it. The error is for the model to read.
    pub run: fn(&mut Memory, Value) -> Result<Answer, MemoryError>,
}

/// What a tool does to the memory.
#[derive(Clone, Copy)]
enum Effect {
    /// Nothing.
    Reads,
    /// The same call again adds nothing.
    AddsOnce,
    /// Every call counts.
    AddsEachTime,
    /// Takes something out of answers.
    TakesAway,
}

/// What a tool has to say, for models and for programs.
pub(super) struct Answer {
    pub text: String,
    /// An object.
    pub data: Value,
}

impl Tool {
    /// As `tools/list` gives it.
    pub fn described(&self) -> rmcp::model::Tool {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), (self.properties)());
        schema.insert("required".to_owned(), json!(self.required));
        schema.insert("additionalProperties".to_owned(), json!(false));
        rmcp::model::Tool::new(self.name, self.description, schema)
            .with_title(self.title)
            .with_annotations(self.effect.hints())
    }
}

impl Effect {
    fn hints(self) -> ToolAnnotations {
        let hints = ToolAnnotations::new().open_world(false);
        match self {
            Self::Reads => hints.read_only(true),
            Self::AddsOnce => hints.read_only(false).destructive(false).idempotent(true),
            Self::AddsEachTime => hints.read_only(false).destructive(false).idempotent(false),
            Self::TakesAway => hints.read_only(false).destructive(true).idempotent(false),
        }
    }
}

/// Reads the arguments of a tool.
fn arguments<T: DeserializeOwned>(tool: &str, arguments: Value) -> Result<T, MemoryError> {
    serde_json::from_value(arguments).map_err(|error| {
        MemoryError::Refused(format!(
            "the arguments of `{tool}` are wrong: {error}; its input schema says what they may be"
        ))
    })
}

/// Refuses an argument that says nothing.
fn said(name: &str, text: &str, advice: &str) -> Result<(), MemoryError> {
    match text.trim().is_empty() {
        true => refused(format!("`{name}` is empty; {advice}")),
        false => Ok(()),
    }
}

fn refused<T>(sentence: String) -> Result<T, MemoryError> {
    Err(MemoryError::Refused(sentence))
}

/// The schema of the name of an item.
fn id(description: &str) -> Value {
    json!({"type": "string", "description": description})
}
