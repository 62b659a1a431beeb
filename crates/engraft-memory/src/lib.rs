//! Memory that people can read.
//!
//! A memory is an append-only log of operations ([`Event`]) and the items they add up to ([`Item`]).
//! Nothing is rewritten: an edit, a vote, a removal, a better version are entries of the log, so that
//! every item can say where it comes from and what became of it.

pub mod entities;
pub mod episodic;
pub mod error;
pub mod event;
pub mod export;
pub mod insights;
pub mod item;
pub mod recall;
mod reference;
pub mod retrieval;
pub mod review;
pub mod store;

pub use error::MemoryError;
pub use event::{Event, Operation};
pub use item::{Draft, Id, Item, Kind, Source, State};
pub use recall::{Ask, Embedder, Fusion, Recall, Recalled};
pub use reference::checks;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
pub use store::{Applied, Change, Filter, SqliteStore, Store, Vectors};
