//! A forward-only engine for causal language models on the CPU.
//!
//! Several sequences go through one pass over the weights; each can be forked and rolled back; what
//! flows inside can be read and changed.

mod attention;
pub mod cache;
pub mod cache_gradient;
pub mod causal;
pub mod error;
pub mod kernel;
pub mod llama;
mod matrix;
mod packed;
pub mod probe;
mod rounded;
pub mod team;
mod wide;

pub use cache::Sequence;
pub use cache_gradient::CacheGradient;
pub use causal::{Ask, CausalLm, Feed, Shape, Stream};
pub use error::RuntimeError;
pub use kernel::Kernel;
pub use llama::{Llama, Loaded, Options};
pub use matrix::Precision;
pub use probe::{Blind, Probe, Row, Site};
