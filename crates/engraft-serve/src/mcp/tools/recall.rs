//! `recall`: what the memory knows about something.

use engraft_memory::{
    Ask, Filter, Kind, MemoryError,
    recall::{Omitted, Why},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Effect, Tool, arguments, refused, said};
use crate::mcp::{memory::Memory, shown};

pub(super) const TOOL: Tool = Tool {
    name: "recall",
    title: "Recall",
    description: "Look up what was remembered in earlier conversations, best first. Ask before a task and \
        whenever a preference, a decision or an earlier result may matter. Ask with the words that the \
        item may hold: names of files, functions, errors, people. Every item comes with its id (for \
        `vote`, `forget`, `history` and `supersedes`), its votes (how often it helped, less how often it \
        misled), its source and its date. `omitted` tells what was found and not shown, and why.",
    effect: Effect::Reads,
    properties,
    required: &["query"],
    run,
};

/// Most items that one call may ask for.
const MOST: usize = 100;

fn properties() -> Value {
    json!({
        "query": {
            "type": "string",
            "description": "What to look for: a question or key words."
        },
        "scope": {
            "type": "string",
            "description": "Only items of exactly this scope. Left out, the default of this server holds; \
                \"\" looks in all scopes."
        },
        "role": {
            "type": "string",
            "description": "Only items of exactly this role. Left out, all roles."
        },
        "kind": {
            "type": "string",
            "enum": ["note", "insight", "episode"],
            "description": "Only items of this kind; an episode is an issue with the attempts at it. Left \
                out, all kinds."
        },
        "most": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST,
            "description": "Items at most. Left out, the default of this server holds, which is 10 if \
                nobody set it."
        },
        "tokens": {
            "type": "integer",
            "minimum": 1,
            "description": "Tokens of all items together (a quarter of their characters). Left out, the \
                default of this server holds, which is 4000 if nobody set it."
        },
        "before": {
            "type": "string",
            "description": "Only what had happened before then: a date like 2026-01-31 or a time like \
                2026-01-31T12:00:00Z."
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    query: String,
    scope: Option<String>,
    role: Option<String>,
    kind: Option<Kind>,
    most: Option<usize>,
    tokens: Option<usize>,
    before: Option<String>,
}

fn run(memory: &mut Memory, given: Value) -> Result<Answer, MemoryError> {
    let given: Arguments = arguments(TOOL.name, given)?;
    said("query", &given.query, "say what to look for")?;
    let most = given.most.unwrap_or(memory.options.most);
    if !(1..=MOST).contains(&most) {
        return refused(format!("`most` is {most}; it may be from 1 to {MOST}"));
    }
    let scope = given.scope.unwrap_or_else(|| memory.options.scope.clone());
    let tokens = Some(given.tokens.unwrap_or(memory.options.tokens));
    let ask = Ask {
        filter: Filter {
            kind: given.kind,
            scope: Some(scope).filter(|scope| !scope.is_empty()),
            role: given.role.filter(|role| !role.is_empty()),
            all_states: false,
            before: given.before.as_deref().map(time).transpose()?,
        },
        most,
        tokens,
        ..Ask::new(&given.query)
    };
    let recalled = memory.ask(&ask)?;
    let items: Vec<Value> = recalled.found.iter().map(shown::found).collect();
    let mut lines: Vec<String> = recalled
        .found
        .iter()
        .map(|found| shown::line(&found.item))
        .collect();
    if lines.is_empty() {
        lines.push("Nothing was found to show.".to_owned());
    }
    let omitted: Vec<(&Omitted, String)> = recalled
        .omitted
        .iter()
        .map(|omitted| (omitted, reason(&omitted.why)))
        .collect();
    lines.extend(
        omitted
            .iter()
            .map(|(omitted, why)| format!("Not shown: [{}] {why}", omitted.id)),
    );
    let omitted: Vec<Value> = omitted
        .into_iter()
        .map(|(omitted, why)| json!({"id": omitted.id, "why": why}))
        .collect();
    Ok(Answer {
        text: lines.join("\n"),
        data: json!({"items": items, "omitted": omitted}),
    })
}

fn reason(why: &Why) -> String {
    match why {
        Why::Repeats(id) => format!("says what {id} says"),
        Why::TooLong { tokens, room } => {
            format!("takes {tokens} tokens and {room} were left; ask for it with more `tokens`")
        }
    }
}

/// A time, or a day that begins in UTC.
fn time(text: &str) -> Result<Timestamp, MemoryError> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok();
    match day.and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()) {
        Some(begin) => Ok(begin),
        None => refused(format!(
            "`before` is {text:?}, which is no time; write it like 2026-01-31 or 2026-01-31T12:00:00Z"
        )),
    }
}
