//! Teacher-to-student objectives: what the student should match, and how far it is from it.
//!
//! One method is one file in [`methods`], registered by one line there. A method is a
//! [`DistillMethod`]: its settings build an [`Objective`], and [`Distillation`] is the loss of the
//! training loop that runs teacher and student and asks it.

pub mod distillation;
pub mod method;
pub mod methods;
pub mod objective;
mod projection;
mod reference;

pub use distillation::{Distillation, Weights};
pub use method::{DistillMethod, Entry};
pub use methods::{all, find};
pub use objective::{Objective, Run, View};
