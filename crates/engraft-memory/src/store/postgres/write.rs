//! How changes get into the database: all of them in one transaction, log and items together.

use jiff::Timestamp;

use super::{
    link::{Link, Transaction},
    log, table,
};
use crate::{
    Applied, Change, Event, Id, Item, MemoryError,
    store::{
        decision::Standing,
        writing::{self, Ledger},
    },
};

/// Does all changes, or none.
pub(super) fn apply(
    link: &Link,
    by: &str,
    changes: Vec<Change>,
) -> Result<Vec<Applied>, MemoryError> {
    writing::answered_for(by)?;
    let mut writer = Writer::begin(link)?;
    let applied = writing::all(&mut writer, by, changes)?;
    writer.commit()?;
    Ok(applied)
}

/// A transaction that no other writer writes beside. Dropped, it leaves no trace.
pub(super) struct Writer<'a> {
    transaction: Transaction<'a>,
    /// The number of the last event.
    last: u64,
    at: Timestamp,
}

impl<'a> Writer<'a> {
    pub fn begin(link: &'a Link) -> Result<Self, MemoryError> {
        let transaction = link.begin()?;
        Ok(Self {
            last: log::last(link)?,
            transaction,
            at: writing::now(),
        })
    }

    pub fn commit(self) -> Result<(), MemoryError> {
        self.transaction.commit()
    }

    fn link(&self) -> &'a Link {
        self.transaction.link
    }
}

impl Standing for Writer<'_> {
    fn find(&self, id: &Id) -> Result<Option<Item>, MemoryError> {
        table::find(self.link(), id)
    }

    fn same(&self, content_hash: &[u8; 32]) -> Result<Option<Id>, MemoryError> {
        table::same(self.link(), content_hash)
    }

    fn next(&self) -> u64 {
        self.last + 1
    }
}

impl Ledger for Writer<'_> {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn append(&mut self, event: &Event) -> Result<(), MemoryError> {
        log::append(self.link(), event)?;
        self.last = event.seq;
        Ok(())
    }

    fn insert(&mut self, item: &Item) -> Result<(), MemoryError> {
        table::insert(self.link(), item)
    }

    fn replace(&mut self, item: &Item) -> Result<(), MemoryError> {
        table::replace(self.link(), item)
    }

    fn mention(&mut self, id: &Id, event: &Event) -> Result<(), MemoryError> {
        log::mention(self.link(), id, event)
    }

    fn about(&self, first: u64) -> Result<Vec<Event>, MemoryError> {
        log::about(self.link(), first)
    }

    fn redact(&mut self, event: &Event) -> Result<(), MemoryError> {
        log::redact(self.link(), event)
    }
}
