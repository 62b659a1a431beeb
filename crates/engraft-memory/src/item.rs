//! What a memory holds: items, each with its source, its votes and what became of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of an item, for good: `insight-4f2k9q7m`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What sort of thing an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What happened once: an issue with the attempts at it.
    Episode,
    /// A short general rule, voted on.
    Insight,
    /// Anything else that is worth keeping: a fact, a preference, a decision.
    Note,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Episode, Self::Insight, Self::Note];

    /// As commands and files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Episode => "episode",
            Self::Insight => "insight",
            Self::Note => "note",
        }
    }
}

/// Where an item comes from. All of it is shown with the item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The run or session that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The message of a conversation, by its number or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The file it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The hash (BLAKE3, hex) of that file when it was read: another one now makes the item stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// An item that is not stored yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub kind: Kind,
    /// What it is about: a repository, a user, a project. Empty for everything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Whose it is within the scope: `tester`, `coder`. Empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// What a person reads.
    pub text: String,
    /// What programs read beside it, such as the attempts of an episode. `null` for nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// When what it tells of happened (the issue was created), if that is known: later ones are left out
    /// of answers about earlier times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened: Option<Timestamp>,
    /// Votes it starts with.
    #[serde(default)]
    pub votes: i64,
    #[serde(default)]
    pub source: Source,
}

impl Draft {
    /// A text of a kind, about everything and everyone, without data, votes or source.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            scope: String::new(),
            role: String::new(),
            text: text.into(),
            data: Value::Null,
            happened: None,
            votes: 0,
            source: Source::default(),
        }
    }
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Current,
    Removed,
    /// Another item holds from then on.
    SupersededBy(Id),
    /// Another item says the same.
    MergedInto(Id),
}

/// An item as it stands after a certain event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub id: Id,
    #[serde(flatten)]
    pub content: Draft,
    /// Pinned items are shown first and never left out for lack of room.
    pub pinned: bool,
    pub state: State,
    pub added: Timestamp,
    pub changed: Timestamp,
    /// The number of the event that added it.
    pub first: u64,
    /// The number of the event that changed it last.
    pub last: u64,
}
