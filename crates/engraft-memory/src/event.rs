//! The log: what was done to a memory, by whom and when. Items are what the log adds up to.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Draft, Id};

/// One change, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// A new item, under this name.
    Add { id: Id, item: Draft },
    /// Other words, other data; what is `None` stays.
    Edit {
        id: Id,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        data: Option<Value>,
    },
    /// Gone from answers; the log still knows it.
    Remove { id: Id, reason: String },
    /// For (positive) or against (negative) an item.
    Vote { id: Id, by: i64 },
    /// All of `from` say what `into` says.
    Merge { from: Vec<Id>, into: Id },
    /// `new` holds from now on, `old` held until now.
    Supersede { old: Id, new: Id },
    /// Shown first and never left out, or no longer so.
    Pin { id: Id, pinned: bool },
}

/// A key that is there has a value, even if that is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An operation with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    /// Who did it: a person, a program, a run.
    pub by: String,
    #[serde(flatten)]
    pub operation: Operation,
}
