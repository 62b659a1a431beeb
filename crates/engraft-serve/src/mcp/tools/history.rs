//! `history`: all that happened to an item.

use engraft_memory::{Id, MemoryError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Effect, Tool, arguments, id};
use crate::mcp::{memory::Memory, shown};

pub(super) const TOOL: Tool = Tool {
    name: "history",
    title: "History",
    description: "All that is known of one item: its full text, whether it still holds, and who added, \
        changed, voted for or removed it and when, oldest first. Works for removed and superseded items, too.",
    effect: Effect::Reads,
    properties,
    required: &["id"],
    run,
};

fn properties() -> Value {
    json!({"id": id("The id of the item, as `recall` or `remember` gives it.")})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    id: Id,
}

fn run(memory: &mut Memory, given: Value) -> Result<Answer, MemoryError> {
    let Arguments { id } = arguments(TOOL.name, given)?;
    let item = memory.item(&id)?;
    let events = memory.store.history(&id)?;
    let mut lines = vec![shown::line(&item), shown::standing(&item)];
    lines.extend(events.iter().map(shown::event));
    let events: Vec<Value> = events.iter().map(shown::entry).collect();
    Ok(Answer {
        text: lines.join("\n"),
        data: json!({"item": shown::item(&item), "events": events}),
    })
}
