//! `forget`: an item is taken out of answers. Taking it out of the log is left to people.

use engraft_memory::{Change, Id, MemoryError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Effect, Tool, arguments, id, said};
use crate::mcp::memory::Memory;

pub(super) const TOOL: Tool = Tool {
    name: "forget",
    title: "Forget",
    description: "Take an item out of all later answers, because it is wrong, out of date or was never to \
        be kept. The log still knows it; people can take it out of there as well. If something else holds \
        now, `remember` that with `supersedes` instead.",
    effect: Effect::TakesAway,
    properties,
    required: &["id", "reason"],
    run,
};

fn properties() -> Value {
    json!({
        "id": id("The id of the item, as `recall` gives it."),
        "reason": {
            "type": "string",
            "description": "Why, in one line, for people who read the log. Do not repeat the text of the item."
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    id: Id,
    reason: String,
}

fn run(memory: &mut Memory, given: Value) -> Result<Answer, MemoryError> {
    let Arguments { id, reason } = arguments(TOOL.name, given)?;
    said("reason", &reason, "say why, for people who read the log")?;
    let seq = memory
        .apply(Change::Remove {
            id: id.clone(),
            reason,
        })?
        .seq;
    Ok(Answer {
        text: format!("{id} will not be recalled any more. The log still knows it."),
        data: json!({"id": id, "seq": seq}),
    })
}
