//! Engraft: accumulate knowledge in models, and measure what each step gained, kept and spilled.
//!
//! The library behind the `engraft` program, and the door to the rooms below it: networks and their
//! files ([`nets`]), the training loop and data ([`train`]), distillation ([`distill`]),
//! the runtime and the methods that decode ([`runtime`], [`decode`]) and measurements ([`probe`]).

pub use burn::tensor::Device;
pub use engraft_continual as continual;
pub use engraft_decode as decode;
pub use engraft_distill as distill;
pub use engraft_memory as memory;
pub use engraft_method as method;
pub use engraft_nets as nets;
pub use engraft_ops as ops;
pub use engraft_probe as probe;
pub use engraft_runtime as runtime;
pub use engraft_train as train;

pub mod agents;
pub mod augment;
pub mod cli;
pub mod compare;
pub mod decoding;
pub mod device;
pub mod machine;
pub mod measure;
pub mod plan;
pub mod recipe;
pub mod registry;
pub mod report;
pub mod run;
pub mod say;
pub mod seeds;
pub mod standing;
pub mod store;
mod watch;
