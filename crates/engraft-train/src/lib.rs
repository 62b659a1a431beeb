//! The training loop, its hooks, schedules, data and checkpoints.

pub mod checkpoint;
pub mod config;
pub mod cross_entropy;
pub mod curve;
pub mod data;
pub mod error;
pub mod files;
pub mod gradients;
pub mod key;
pub mod memory;
pub mod metrics;
pub mod optimizer;
pub mod progress;
mod resume;
pub mod schedule;
mod session;
pub mod source;
pub mod step;
pub mod tensorboard;
mod terms;
pub mod trainer;

pub use config::{ParameterGroup, Precision, Rule, TrainConfig, fits};
pub use cross_entropy::CrossEntropy;
pub use curve::{Curve, Point};
pub use error::TrainError;
pub use files::RunFiles;
pub use progress::Progress;
pub use schedule::Schedule;
pub use source::BatchSource;
pub use step::{Hook, Loss, Step, Terms};
pub use trainer::{Trained, Trainer};
