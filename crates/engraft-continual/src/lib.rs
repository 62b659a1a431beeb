//! Learning new things without losing the old: ways to write knowledge into a model's weights, and
//! ways to prune what was written.
//!
//! One method is one file in [`methods`] (how a model is taught) or in [`prunings`] (what is kept of
//! the update afterwards), registered by one line there.

pub mod calibration;
pub mod method;
pub mod methods;
pub mod pruning;
pub mod prunings;
pub mod targets;

pub use calibration::Covariances;
pub use method::{Labels, Lesson, Prepared, TeachEntry, TeachMethod};
pub use pruning::{PruneEntry, Pruning, Recall, Update};
pub use targets::Targets;
