//! A memory in one SQLite file.
//!
//! Every change is one transaction over the log, the items and the index of their words. Several programs
//! may use one file at once: writers wait for each other, readers see what was complete when they looked.

mod check;
mod file;
mod log;
mod problem;
mod purge;
mod schema;
mod table;
mod vectors;
mod words;
mod write;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Applied, Change, Filter, Store, Vectors};
use crate::{Event, Id, Item, MemoryError};

/// A memory in one SQLite file (beside it, while it is open, the files `-wal` and `-shm`).
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
}

impl SqliteStore {
    /// Opens a memory, or makes an empty one where nothing is.
    ///
    /// # Errors
    /// A file that is no memory (it is not changed), a memory of a later version, or a file or folder
    /// that may not be written to.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MemoryError> {
        let path = path.as_ref();
        if !path.exists() {
            file::create(path)?;
        }
        Self::open_existing(path)
    }

    /// Opens a memory that is there.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and where there is none.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, MemoryError> {
        let path = path.as_ref();
        Ok(Self {
            path: path.to_owned(),
            connection: file::connect(path)?,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What SQLite said, as an error about this file.
    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, MemoryError> {
        result.map_err(problem::of(&self.path))
    }

    /// An item that has to be there, whatever became of it.
    fn known(&self, id: &Id) -> Result<Item, MemoryError> {
        let item = self.told(table::find(&self.connection, id))?;
        item.ok_or_else(|| MemoryError::Unknown(id.to_string()))
    }
}

impl Store for SqliteStore {
    fn apply(&mut self, by: &str, changes: Vec<Change>) -> Result<Vec<Applied>, MemoryError> {
        write::apply(&mut self.connection, &self.path, by, changes)
    }

    fn get(&self, id: &Id) -> Result<Option<Item>, MemoryError> {
        self.told(table::find(&self.connection, id))
    }

    fn items(&self, filter: &Filter) -> Result<Vec<Item>, MemoryError> {
        self.told(table::all(&self.connection, filter))
    }

    fn history(&self, id: &Id) -> Result<Vec<Event>, MemoryError> {
        self.told(log::about(&self.connection, self.known(id)?.first))
    }

    fn events(&self, after: u64, most: usize) -> Result<Vec<Event>, MemoryError> {
        self.told(log::after(&self.connection, after, most))
    }

    fn seq(&self) -> Result<u64, MemoryError> {
        self.told(log::last(&self.connection))
    }

    fn words(&self, query: &str, filter: &Filter, most: usize) -> Result<Vec<Item>, MemoryError> {
        self.told(words::search(&self.connection, query, filter, most))
    }

    fn vectors(&self, model: &str) -> Result<Vectors, MemoryError> {
        self.told(vectors::read(&self.connection, model))
    }

    fn keep_vectors(
        &mut self,
        model: &str,
        vectors: &[(Id, String, Vec<f32>)],
    ) -> Result<(), MemoryError> {
        vectors::keep(&mut self.connection, &self.path, model, vectors)
    }

    fn purge(&mut self, id: &Id) -> Result<(), MemoryError> {
        purge::purge(&mut self.connection, &self.path, id)
    }

    fn check(&self) -> Result<Vec<String>, MemoryError> {
        Self::check(self)
    }

    fn rebuild(&mut self) -> Result<(), MemoryError> {
        Self::rebuild(self)
    }
}
