//! What must not be computed in half precision: sums over many elements, exponentials.

use burn::tensor::{DType, Tensor};

/// The tensor in `f32` if it is `f16` or `bf16`, as it is otherwise.
pub(crate) fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match is_half(&tensor) {
        true => tensor.cast(DType::F32),
        false => tensor,
    }
}

/// Whether it is `f16` or `bf16`.
pub(crate) fn is_half<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.dtype(), DType::F16 | DType::BF16)
}
