//! What models answer, read: fenced blocks, tagged fields, lists of numbers, places in code.
//!
//! An answer is data from outside: it may be anything, of any length. Every reader here goes over it
//! once, never panics, and says with `None` or an error that the answer does not have the form that
//! was asked for, so that the caller can ask again.

mod blocks;
mod check;
mod handles;
mod locations;
mod selection;
mod tags;

pub use blocks::{code_blocks, file_list, test_script};
pub use check::CHECKS;
pub use handles::{ZeroFeedback, feedback_handles};
pub use locations::{Location, final_locations, first_locations};
pub use selection::{SelectionError, selection};
pub(crate) use tags::all_between;
pub use tags::{Advice, TestVerdict, review_advice, suggestion, test_verdict};
