//! `remember`: something new is kept, if need be in place of something old.

use engraft_memory::{Change, Draft, Id, Kind, MemoryError, Source};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Effect, Tool, arguments, id};
use crate::mcp::memory::Memory;

pub(super) const TOOL: Tool = Tool {
    name: "remember",
    title: "Remember",
    description: "Keep one fact, preference, decision or rule for later conversations. Write a text that \
        makes sense on its own: name the project, file or person instead of `this` or `it`. One thing an \
        item. What is there already is not added again. If it corrects an item that you recalled, name \
        that one in `supersedes`. Returns the id of the item.",
    effect: Effect::AddsOnce,
    properties,
    required: &["text"],
    run,
};

fn properties() -> Value {
    json!({
        "text": {
            "type": "string",
            "description": "What to keep, in one to three sentences. At most 1 MiB."
        },
        "kind": {
            "type": "string",
            "enum": ["note", "insight"],
            "default": "note",
            "description": "`note`: a fact, a preference, a decision. `insight`: a short general rule that \
                was learned from experience and that votes will prove or refute."
        },
        "scope": {
            "type": "string",
            "description": "What it is about, such as a repository, a project or a user. Always write the \
                same scope the same way. Left out, the default of this server holds; \"\" means everything."
        },
        "role": {
            "type": "string",
            "description": "Whose it is within the scope, such as `tester` or `coder`. Left out, it is for \
                all."
        },
        "source": {
            "type": "object",
            "description": "Where it comes from, so that people can look it up.",
            "properties": {
                "run": {"type": "string", "description": "The run or session."},
                "message": {"type": "string", "description": "The message, by its number or name."},
                "file": {"type": "string", "description": "The path of the file it was read from."},
                "line": {"type": "integer", "minimum": 1, "description": "The line in that file."}
            },
            "additionalProperties": false
        },
        "pinned": {
            "type": "boolean",
            "description": "true: show it first in every answer, whatever is asked. Only for what must \
                never be overlooked. Pins an item that is there already, too."
        },
        "supersedes": id("The id of the item that no longer holds because this one holds now.")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    text: String,
    kind: Option<Sort>,
    scope: Option<String>,
    role: Option<String>,
    source: Option<Origin>,
    pinned: Option<bool>,
    supersedes: Option<Id>,
}

/// Episodes are written by programs, with data that no model writes by hand.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Note,
    Insight,
}

/// Hashes of files are for programs, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    run: Option<String>,
    message: Option<String>,
    file: Option<String>,
    line: Option<u64>,
}

impl Arguments {
    fn draft(&mut self, memory: &Memory) -> Draft {
        let kind = match self.kind.unwrap_or(Sort::Note) {
            Sort::Note => Kind::Note,
            Sort::Insight => Kind::Insight,
        };
        let scope = self.scope.take();
        Draft {
            scope: scope.unwrap_or_else(|| memory.options.scope.clone()),
            role: self.role.take().unwrap_or_default(),
            source: self.source.take().map(Source::from).unwrap_or_default(),
            ..Draft::new(kind, std::mem::take(&mut self.text))
        }
    }
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        Self {
            run: origin.run,
            message: origin.message,
            file: origin.file,
            line: origin.line,
            hash: None,
        }
    }
}

fn run(memory: &mut Memory, given: Value) -> Result<Answer, MemoryError> {
    let mut given: Arguments = arguments(TOOL.name, given)?;
    let draft = given.draft(memory);
    let old = given.supersedes;
    let added = memory.apply(match &old {
        None => Change::Add(draft),
        Some(old) => Change::Replace {
            old: old.clone(),
            new: draft,
        },
    })?;
    let id = added.id;
    if given.pinned == Some(true) {
        memory.apply(Change::Pin {
            id: id.clone(),
            pinned: true,
        })?;
    }
    let mut data = json!({"id": id, "new": added.seq.is_some()});
    let mut text = match added.seq {
        Some(seq) => {
            data["seq"] = json!(seq);
            format!("Remembered as {id} (event {seq}).")
        }
        None => format!("Nothing was added: this is there already as {id}."),
    };
    if let Some(old) = old.filter(|old| *old != id) {
        data["supersedes"] = json!(old);
        text.push_str(&format!(" It supersedes {old}."));
    }
    Ok(Answer { text, data })
}
