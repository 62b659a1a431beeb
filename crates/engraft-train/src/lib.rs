//! The training loop, its hooks, schedules, data and checkpoints.

pub mod source;
pub mod step;

pub use source::BatchSource;
pub use step::{Hook, Loss, Step, Terms};
