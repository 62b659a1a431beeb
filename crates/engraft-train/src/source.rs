//! Where batches come from.

use engraft_nets::Batch;

/// A source of batches. A batch is a pure function of the step, so a resumed run needs no state:
/// random choices are keyed by (seed, purpose, step).
pub trait BatchSource: Send {
    /// The batch of optimiser step `step`, micro-batch `micro` of gradient accumulation.
    fn batch(&self, step: usize, micro: usize) -> Batch;
}
