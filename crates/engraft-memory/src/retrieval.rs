//! Finding what fits a question: by words, by meaning, and by both together.
//!
//! [`bm25`] scores words of one field, [`fields`] sums several fields, [`vectors`] compares embeddings,
//! and [`fusion`] makes one list of several, without repetitions and within a budget. Nothing in here
//! reads a store: callers hand over keys and texts and get keys and scores back.

mod best;
pub mod bm25;
mod check;
pub mod fields;
pub mod fusion;
pub mod mem0;
pub mod tokens;
pub mod vectors;

pub use bm25::{Bm25, Okapi, Scores};
pub use check::CHECKS;
pub use fields::{FieldQuery, Fields, Group, Hit, one_per_group};
pub use tokens::{reduce_trace, tokens};
pub use vectors::VectorIndex;
