//! The store of a memory, from outside: what it keeps, what it refuses, and what it survives.

mod changes;
mod exports;
mod files;
mod fold;
mod log;
mod memory;
mod place;
mod purge;
mod reviews;
mod search;
mod writers;
