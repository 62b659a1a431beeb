//! A memory in a database of a PostgreSQL server, for teams.
//!
//! Tables are in a schema of their own, `engraft_memory`. Every change is one transaction over the log, the
//! items and the index of their words. Writers wait for each other by an advisory lock, so that the log
//! has no gaps; readers wait for nobody.

mod address;
mod check;
mod lexemes;
mod link;
mod log;
mod problem;
mod purge;
mod row;
mod schema;
mod table;
mod vectors;
mod words;
mod write;

use self::link::Link;
use super::{Applied, Change, Filter, Store, Vectors};
use crate::{Event, Id, Item, MemoryError};

/// A memory in a database of a PostgreSQL server that has the extension `vector` (pgvector).
///
/// A connection that is lost is an error of the call that was changing something then, and is made again
/// by the next call. As with every store, calls wait for what they ask for: in a program with an
/// asynchronous runtime they belong on a thread that may wait.
pub struct PostgresStore {
    link: Link,
}

impl PostgresStore {
    /// Opens the memory of a database, or makes an empty one if it has none: `address` is
    /// `postgres://user@host:5432/database`, with `?host=/folder` for a socket. A password that it does
    /// not name is taken from `PGPASSWORD`. The connection is not encrypted.
    ///
    /// # Errors
    /// An address that is none, a server or database that cannot be reached or refuses the user, a server
    /// without pgvector, a memory of a later version.
    pub fn open(address: &str) -> Result<Self, MemoryError> {
        let link = Link::to(address)?;
        schema::open(&link)?;
        Ok(Self { link })
    }

    /// Opens a memory that is there.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], and where there is none.
    pub fn open_existing(address: &str) -> Result<Self, MemoryError> {
        let link = Link::to(address)?;
        schema::find(&link)?;
        Ok(Self { link })
    }
}

impl Store for PostgresStore {
    fn apply(&mut self, by: &str, changes: Vec<Change>) -> Result<Vec<Applied>, MemoryError> {
        write::apply(&self.link, by, changes)
    }

    fn get(&self, id: &Id) -> Result<Option<Item>, MemoryError> {
        table::find(&self.link, id)
    }

    fn items(&self, filter: &Filter) -> Result<Vec<Item>, MemoryError> {
        table::all(&self.link, filter)
    }

    fn history(&self, id: &Id) -> Result<Vec<Event>, MemoryError> {
        let item = table::find(&self.link, id)?;
        let item = item.ok_or_else(|| MemoryError::Unknown(id.to_string()))?;
        log::about(&self.link, item.first)
    }

    fn events(&self, after: u64, most: usize) -> Result<Vec<Event>, MemoryError> {
        log::after(&self.link, after, most)
    }

    fn seq(&self) -> Result<u64, MemoryError> {
        log::last(&self.link)
    }

    fn words(&self, query: &str, filter: &Filter, most: usize) -> Result<Vec<Item>, MemoryError> {
        words::search(&self.link, query, filter, most)
    }

    fn vectors(&self, model: &str) -> Result<Vectors, MemoryError> {
        vectors::read(&self.link, model)
    }

    fn keep_vectors(
        &mut self,
        model: &str,
        vectors: &[(Id, String, Vec<f32>)],
    ) -> Result<(), MemoryError> {
        vectors::keep(&self.link, model, vectors)
    }

    fn purge(&mut self, id: &Id) -> Result<(), MemoryError> {
        purge::purge(&self.link, id)
    }

    fn check(&self) -> Result<Vec<String>, MemoryError> {
        check::check(&self.link)
    }

    fn rebuild(&mut self) -> Result<(), MemoryError> {
        check::rebuild(&self.link)
    }
}
