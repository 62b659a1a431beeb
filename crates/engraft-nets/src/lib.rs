//! Trainable networks whose inner signals can be read and replaced, and their files.

pub mod batch;
pub mod network;
pub mod parameter;

pub use batch::{Batch, IGNORE, Input};
pub use engraft_ops::{Head, Logits};
pub use network::{Capabilities, Mode, Network, Signals, Taps};
pub use parameter::{Parameter, Role, Value};
