//! The store behind a memory: an append-only log and the items it adds up to.

mod comparison;
mod decision;
pub mod limits;
pub(crate) mod naming;
mod opening;
#[cfg(feature = "postgres")]
mod postgres;
mod projection;
mod redaction;
mod spelling;
mod sqlite;
mod version;
mod writing;

pub use opening::{is_database, open, open_existing};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use projection::Projection;
pub use sqlite::SqliteStore;

use jiff::Timestamp;
use serde_json::Value;

use crate::{Draft, Event, Id, Item, Kind, MemoryError, State};

/// What stands where words were taken out for good.
pub const PURGED: &str = "[purged]";

/// What is asked of a memory; [`crate::Operation`] is what the log keeps of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Add(Draft),
    Edit {
        id: Id,
        text: Option<String>,
        data: Option<Value>,
    },
    Remove {
        id: Id,
        reason: String,
    },
    Vote {
        id: Id,
        by: i64,
    },
    /// `into` stays as it is, its votes too.
    Merge {
        from: Vec<Id>,
        into: Id,
    },
    Supersede {
        old: Id,
        new: Id,
    },
    /// Adds a draft, and what is added supersedes `old`. Asked for again, nothing changes.
    Replace {
        old: Id,
        new: Draft,
    },
    Pin {
        id: Id,
        pinned: bool,
    },
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The item it was about: of a merge the one that stays, of two items the superseded one, of
    /// [`Change::Replace`] the new one.
    pub id: Id,
    /// The number of the event, or `None` if nothing had to change: the same thing was there already. Of
    /// [`Change::Replace`] that of the event that added the new item.
    pub seq: Option<u64>,
}

/// Which items are meant. The default means all that are current.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub kind: Option<Kind>,
    pub scope: Option<String>,
    pub role: Option<String>,
    /// Removed, superseded and merged ones too.
    pub all_states: bool,
    /// Only what had happened before then; items that do not say when they happened count by when they
    /// were added.
    pub before: Option<Timestamp>,
}

impl Filter {
    /// Whether an item is meant.
    pub fn admits(&self, item: &Item) -> bool {
        let content = &item.content;
        let fits = |asked: &Option<String>, has: &str| asked.as_deref().is_none_or(|a| a == has);
        let happened = content.happened.unwrap_or(item.added);
        self.kind.is_none_or(|kind| kind == content.kind)
            && fits(&self.scope, &content.scope)
            && fits(&self.role, &content.role)
            && (self.all_states || item.state == State::Current)
            && self.before.is_none_or(|before| happened < before)
    }
}

/// A memory on disk or in a server. Every change is one transaction: once it returns, neither a crash nor
/// another writer can undo it.
pub trait Store: Send {
    /// Does all changes, or none. Adding what is there already (same kind, scope, role, text and data,
    /// still current) changes nothing and names the item that is there.
    fn apply(&mut self, by: &str, changes: Vec<Change>) -> Result<Vec<Applied>, MemoryError>;

    fn get(&self, id: &Id) -> Result<Option<Item>, MemoryError>;

    /// In the order in which they were added.
    fn items(&self, filter: &Filter) -> Result<Vec<Item>, MemoryError>;

    /// All that happened to one item.
    fn history(&self, id: &Id) -> Result<Vec<Event>, MemoryError>;

    /// Up to `most` events after a number.
    fn events(&self, after: u64, most: usize) -> Result<Vec<Event>, MemoryError>;

    /// The number of the last event, 0 for an empty memory.
    fn seq(&self) -> Result<u64, MemoryError>;

    /// The items as they stood after an event.
    fn snapshot(&self, seq: u64, filter: &Filter) -> Result<Vec<Item>, MemoryError> {
        let last = self.seq()?;
        if seq > last {
            return Err(MemoryError::Refused(format!(
                "event {seq} has not happened yet; the last one is {last}"
            )));
        }
        let events = self.events(0, usize::try_from(seq).unwrap_or(usize::MAX))?;
        let items = Projection::of(&events)?.items().into_iter();
        Ok(items.filter(|item| filter.admits(item)).collect())
    }

    /// Items whose text holds these words, best first (the store's own full-text index).
    fn words(&self, query: &str, filter: &Filter, most: usize) -> Result<Vec<Item>, MemoryError>;

    /// The embeddings of current items by this model, and the items that have none yet or an old one.
    fn vectors(&self, model: &str) -> Result<Vectors, MemoryError>;

    /// Keeps embeddings of item texts; for an item that has changed since, nothing is kept.
    fn keep_vectors(
        &mut self,
        model: &str,
        vectors: &[(Id, String, Vec<f32>)],
    ) -> Result<(), MemoryError>;

    /// Takes an item's words out of the log too, for good; it counts as removed then. Its name, its
    /// source and its place in the log stay, and [`PURGED`] stands where its words were. Other items that
    /// say the same are not touched.
    fn purge(&mut self, id: &Id) -> Result<(), MemoryError>;

    /// What is wrong with the memory, a sentence each; nothing if all is well.
    fn check(&self) -> Result<Vec<String>, MemoryError>;

    /// Makes all that follows from the log anew from it.
    fn rebuild(&mut self) -> Result<(), MemoryError>;
}

/// Embeddings of a memory by one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    pub known: Vec<(Id, Vec<f32>)>,
    /// Items without one: name and text.
    pub missing: Vec<(Id, String)>,
}
