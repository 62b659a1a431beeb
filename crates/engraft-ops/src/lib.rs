//! Fused differentiable operations for Burn.
//!
//! Every operation here has a *composed* form, made of Burn's own operations, that runs on every
//! backend and element type, and a *fused* form by hand for `f32` on the CPU backend (Flex). The
//! public functions choose; the two are held equal by tests, and both by central differences.
//!
//! Shapes are written `[rows, vocab]`: a row is one position that predicts, whatever batch and
//! sequence it came from.

pub mod activation;
pub mod attention;
pub mod divergence;
pub mod linear;
pub mod norm;

pub use activation::{gelu, silu_gate};
pub use attention::{attention, attention_with_map};
pub use divergence::{
    Block, Head, Logits, Matching, Pointwise, Reduction, cross_entropy, divergence,
};
pub use linear::linear;
pub use norm::{layer_norm, rms_norm};
