//! What a model does for methods that change its keys and values while it decodes.

use crate::RuntimeError;

/// A model with a differentiable cache of keys and values.
///
/// A shift is what is added to the cache: for each block `[2, kv_heads, positions, head_width]`, keys
/// before values, of the positions that are cached. Gradients have the same shape.
pub trait CacheGradient {
    /// Tokens fed so far with their keys and values.
    type Past;

    /// How many numbers each block has cached.
    fn sizes(&self, past: &Self::Past) -> Vec<usize>;

    /// Logits `[vocab]` after one more token, read with the shifted cache. The past stays as it is.
    ///
    /// # Errors
    /// A token beyond the vocabulary, or one too many for the context.
    fn logits(
        &self,
        past: &Self::Past,
        shift: &[Vec<f32>],
        token: u32,
    ) -> Result<Vec<f32>, RuntimeError>;

    /// The gradient of a loss on those logits by the shift. `slope` is given the logits and returns
    /// the derivatives of the loss by them.
    ///
    /// # Errors
    /// As [`CacheGradient::logits`].
    fn gradient(
        &self,
        past: &Self::Past,
        shift: &[Vec<f32>],
        token: u32,
        slope: &mut dyn FnMut(&[f32]) -> Vec<f32>,
    ) -> Result<Vec<Vec<f32>>, RuntimeError>;
}
