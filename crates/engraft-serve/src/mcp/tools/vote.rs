//! `vote`: whether an item helped.

use engraft_memory::{Change, Id, MemoryError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Effect, Tool, arguments, id, refused};
use crate::mcp::memory::Memory;

pub(super) const TOOL: Tool = Tool {
    name: "vote",
    title: "Vote",
    description: "Say whether a recalled item helped: 1 if acting on it worked out, -1 if it was wrong or \
        misled you. Vote once an item and task, after you know. If you know what holds instead, `remember` \
        that with `supersedes`.",
    effect: Effect::AddsEachTime,
    properties,
    required: &["id", "by"],
    run,
};

fn properties() -> Value {
    json!({
        "id": id("The id of the item, as `recall` gives it."),
        "by": {
            "type": "integer",
            "enum": [1, -1],
            "description": "1 for the item, -1 against it."
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    id: Id,
    by: i64,
}

fn run(memory: &mut Memory, given: Value) -> Result<Answer, MemoryError> {
    let Arguments { id, by } = arguments(TOOL.name, given)?;
    if by.unsigned_abs() != 1 {
        return refused(format!("`by` is {by}; a vote counts 1 or -1"));
    }
    let seq = memory.apply(Change::Vote { id: id.clone(), by })?.seq;
    let votes = memory.item(&id)?.content.votes;
    Ok(Answer {
        text: format!("{id} has {votes:+} votes now."),
        data: json!({"id": id, "votes": votes, "seq": seq}),
    })
}
