//! How changes get into the file: all of them in one transaction, log and items together.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{log, problem, table};
use crate::{
    Applied, Change, Event, Id, Item, MemoryError,
    store::{
        decision::Standing,
        writing::{self, Ledger},
    },
};

/// Does all changes, or none.
pub(super) fn apply(
    connection: &mut Connection,
    path: &Path,
    by: &str,
    changes: Vec<Change>,
) -> Result<Vec<Applied>, MemoryError> {
    writing::answered_for(by)?;
    let mut writer = Writer::begin(connection, path)?;
    let applied = writing::all(&mut writer, by, changes)?;
    writer.commit()?;
    Ok(applied)
}

/// A transaction that holds the file's only place for a writer. Dropped, it leaves no trace.
pub(super) struct Writer<'a> {
    pub transaction: Transaction<'a>,
    path: &'a Path,
    /// The number of the last event.
    last: u64,
    at: Timestamp,
}

impl<'a> Writer<'a> {
    pub fn begin(connection: &'a mut Connection, path: &'a Path) -> Result<Self, MemoryError> {
        let told = problem::of(path);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&told)?;
        let last = log::last(&transaction).map_err(&told)?;
        Ok(Self {
            transaction,
            path,
            last,
            at: writing::now(),
        })
    }

    pub fn commit(self) -> Result<(), MemoryError> {
        self.transaction.commit().map_err(problem::of(self.path))
    }

    pub fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, MemoryError> {
        result.map_err(problem::of(self.path))
    }
}

impl Standing for Writer<'_> {
    fn find(&self, id: &Id) -> Result<Option<Item>, MemoryError> {
        self.told(table::find(&self.transaction, id))
    }

    fn same(&self, content_hash: &[u8; 32]) -> Result<Option<Id>, MemoryError> {
        self.told(table::same(&self.transaction, content_hash))
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
        self.told(log::append(&self.transaction, event))?;
        self.last = event.seq;
        Ok(())
    }

    fn insert(&mut self, item: &Item) -> Result<(), MemoryError> {
        self.told(table::insert(&self.transaction, item))
    }

    fn replace(&mut self, item: &Item) -> Result<(), MemoryError> {
        self.told(table::replace(&self.transaction, item))
    }

    fn mention(&mut self, id: &Id, event: &Event) -> Result<(), MemoryError> {
        self.told(log::mention(&self.transaction, id, event))
    }

    fn about(&self, first: u64) -> Result<Vec<Event>, MemoryError> {
        self.told(log::about(&self.transaction, first))
    }

    fn redact(&mut self, event: &Event) -> Result<(), MemoryError> {
        self.told(log::redact(&self.transaction, event))
    }
}
