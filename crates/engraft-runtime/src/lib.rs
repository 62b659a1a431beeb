//! A forward-only engine for causal language models on the CPU.
//!
//! Several sequences go through one pass over the weights; each can be forked and rolled back; what
//! flows inside can be read and changed.

pub mod causal;
pub mod error;
pub mod probe;

pub use causal::{Ask, CausalLm, Feed, Shape, Stream};
pub use error::RuntimeError;
pub use probe::{Blind, Probe, Row, Site};
