//! Fused differentiable operations for Burn.
//!
//! Every operation here has a *composed* form, made of Burn's own operations, that runs on every
//! backend and element type, and a *fused* form by hand for `f32` on the CPU backend (Flex). The
//! public functions choose. Tests hold the fused form equal to the composed one, and the composed
//! one to central differences in `f64`. Fused forms have no second derivative. `f16` and `bf16` go
//! through the composed forms, their losses, norms and softmaxes in `f32`.
//!
//! Shapes are written `[rows, vocab]`: a row is one position that predicts, whatever batch and
//! sequence it came from.

pub mod activation;
mod activation_kernel;
pub mod adamw;
pub mod attention;
mod attention_kernel;
pub mod batch_norm;
mod batch_norm_kernel;
pub mod conv;
mod conv_kernel;
pub mod cross_entropy;
pub mod divergence;
mod flex;
mod float;
mod half;
pub mod linear;
mod linear_kernel;
mod loss_kernel;
mod loss_rows;
pub mod low_rank;
mod low_rank_kernel;
mod matrix;
mod node;
pub mod norm;
mod norm_kernel;
pub mod recompute;
pub mod rotary;
pub mod shortcut;
mod shortcut_kernel;

pub use activation::{add_relu, gelu, silu_gate};
pub use adamw::AdamW;
pub use attention::{attention, attention_with_map};
pub use batch_norm::batch_norm;
pub use conv::conv2d;
pub use cross_entropy::cross_entropy;
pub use divergence::{Block, ForwardKl, Head, Logits, Matching, Pointwise, Reduction, divergence};
pub use float::ln;
pub use linear::linear;
pub use low_rank::{LowRank, low_rank};
pub use norm::{layer_norm, rms_norm};
pub use recompute::recompute;
pub use rotary::rotary;
pub use shortcut::shortcut;
