//! The store of a memory in a PostgreSQL server, from outside. What holds for every store is asked by the
//! same tests as of the one in files.

#[path = "../store/changes.rs"]
mod changes;
mod doors;
#[path = "../store/exports.rs"]
mod exports;
#[path = "../store/fold.rs"]
mod fold;
#[path = "../store/log.rs"]
mod log;
mod losses;
#[path = "../store/memory.rs"]
mod memory;
mod place;
#[path = "../store/purge.rs"]
mod purge;
#[path = "../store/search.rs"]
mod search;
mod server;
mod writers;
