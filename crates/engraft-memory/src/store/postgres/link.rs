//! The connection to a server: made when it is needed, and made anew after it was lost.

use std::cell::{Cell, RefCell};

use postgres::{
    Client, Error, NoTls, Row,
    types::{ToSql, Type},
};

use super::{
    address::{self, Place},
    problem::{self, PATIENCE},
};
use crate::MemoryError;

/// Writers of a memory hold this advisory lock of their database: "Engraft!".
const WRITERS: i64 = 0x456e_6772_6166_7421;

/// A value of a statement with its type: nothing has to be asked of the server before it.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// A database, and the connection to it while there is one.
pub(super) struct Link {
    config: postgres::Config,
    pub place: Place,
    client: RefCell<Option<Client>>,
    /// In a transaction a lost connection is not replaced: what came before is gone with it.
    changing: Cell<bool>,
}

/// Why a statement was not done.
enum Failure {
    /// The connection is gone.
    Lost(String),
    Told(MemoryError),
}

impl Link {
    /// Connects to the server of an address.
    pub fn to(address: &str) -> Result<Self, MemoryError> {
        let (config, place) = address::read(address)?;
        let link = Self {
            config,
            place,
            client: RefCell::new(None),
            changing: Cell::new(false),
        };
        link.batch("SELECT 1")?;
        Ok(link)
    }

    /// The rows that a statement gives.
    pub fn query(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, MemoryError> {
        self.ask(|client| client.query_typed(statement, values))
    }

    /// How many rows a statement changes.
    pub fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64, MemoryError> {
        self.ask(|client| client.execute_typed(statement, values))
    }

    /// Statements without values and without an answer.
    pub fn batch(&self, statements: &str) -> Result<(), MemoryError> {
        self.ask(|client| client.batch_execute(statements))
    }

    /// Waits for other writers and begins a transaction; what is read in it is what the last one left.
    pub fn begin(&self) -> Result<Transaction<'_>, MemoryError> {
        let begun = self.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL lock_timeout = '{PATIENCE}s'; \
             SELECT pg_advisory_xact_lock({WRITERS})"
        ));
        // From here on, dropping it gives up whatever was begun.
        self.changing.set(true);
        let transaction = Transaction { link: self };
        begun.map(|()| transaction)
    }

    /// Does something with the connection. Outside a transaction a lost one is replaced once.
    fn ask<T>(&self, work: impl Fn(&mut Client) -> Result<T, Error>) -> Result<T, MemoryError> {
        let mut done = self.once(&work);
        if matches!(done, Err(Failure::Lost(_))) && !self.changing.get() {
            done = self.once(&work);
        }
        done.map_err(|failure| match failure {
            Failure::Told(error) => error,
            Failure::Lost(said) => self.place.at(format!(
                "the connection was lost ({said}), nothing of what was begun was kept; try again"
            )),
        })
    }

    fn once<T>(&self, work: impl Fn(&mut Client) -> Result<T, Error>) -> Result<T, Failure> {
        let mut slot = self.client.borrow_mut();
        let mut client = match slot.take() {
            Some(client) => client,
            None if self.changing.get() => return Err(Failure::Lost("in an earlier step".into())),
            None => self.connect().map_err(Failure::Told)?,
        };
        let error = match work(&mut client) {
            Ok(done) => {
                *slot = Some(client);
                return Ok(done);
            }
            Err(error) => error,
        };
        if client.is_closed() || problem::is_loss(&error) {
            return Err(Failure::Lost(problem::said(&error)));
        }
        *slot = Some(client);
        Err(Failure::Told(
            self.place.at(problem::using(&self.place, &error)),
        ))
    }

    fn connect(&self) -> Result<Client, MemoryError> {
        let refused = |error| self.place.at(problem::connecting(&self.place, &error));
        let mut client = self.config.connect(NoTls).map_err(refused)?;
        // What is acknowledged is on the server's disk, even where databases are set up to hurry.
        let durable = "SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off'";
        client.batch_execute(durable).map_err(refused)?;
        Ok(client)
    }
}

impl Drop for Link {
    /// Saying goodbye to a server takes a moment, which threads of asynchronous programs may not wait: the
    /// client would panic there. A thread of its own may.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let parting = std::thread::Builder::new().spawn(move || drop(client));
            // Where there is no thread to be had, the server notices that the connection ends.
            let _ = parting.map(std::thread::JoinHandle::join);
        }
    }
}

/// A transaction that no other writer writes beside. Dropped, it leaves no trace.
pub(super) struct Transaction<'a> {
    pub link: &'a Link,
}

impl Transaction<'_> {
    /// Keeps all that was done.
    pub fn commit(self) -> Result<(), MemoryError> {
        let done = self.link.once(|client| client.batch_execute("COMMIT"));
        if done.is_ok() {
            self.link.changing.set(false);
        }
        done.map_err(|failure| match failure {
            Failure::Told(error) => error,
            Failure::Lost(said) => self.link.place.at(format!(
                "the connection was lost ({said}) while the change was being kept; look whether it is \
                 there before you try again"
            )),
        })
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.link.changing.replace(false) {
            return;
        }
        let mut client = self.link.client.borrow_mut();
        let undone = client
            .as_mut()
            .is_none_or(|client| client.batch_execute("ROLLBACK").is_ok());
        if !undone {
            // The server gives up what a connection began when that ends.
            *client = None;
        }
    }
}
