//! Habits of mini-swe-agent that its users bring along: how configurations are merged, how long an
//! observation may be, when a run stops.

mod check;
mod config;
mod limits;
mod observation;

pub use check::CHECKS;
pub use config::{OverrideError, merged, override_from};
pub use limits::{LimitReached, RunLimits, Spent};
pub use observation::Observation;
