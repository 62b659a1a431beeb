//! Cross-entropy from logits, or from a head that is applied to a few rows at a time.

use burn::tensor::{Int, Tensor, activation::log_softmax};

use crate::{Logits, loss_kernel};

/// The label of a row that does not count, as in PyTorch and the Hugging Face trainers.
pub(crate) const IGNORE: i64 = -100;

/// Cross-entropy with class ids, a scalar `[1]`, mean over the labelled rows (at least 1).
///
/// `labels` `[rows]`: a class id, or -100 for a row that does not count.
///
/// # Panics
/// If a label is neither -100 nor a class id, or there is not one for every row.
pub fn cross_entropy(logits: Logits, labels: Tensor<1, Int>) -> Tensor<1> {
    loss_kernel::cross_entropy(&logits, &labels).unwrap_or_else(|| composed(logits, labels))
}

/// Cross-entropy with Burn's own operations: every backend, every element type.
pub fn composed(logits: Logits, labels: Tensor<1, Int>) -> Tensor<1> {
    let log_q = log_softmax(logits.full(), 1);
    let labelled = labels.clone().not_equal_elem(IGNORE);
    let ids = labels.mask_fill(labelled.clone().bool_not(), 0);
    let rows = ids.dims()[0];
    let picked = log_q.gather(1, ids.reshape([rows, 1])).reshape([rows]);
    let weights = labelled.float().cast(picked.dtype());
    let count = weights.clone().sum().clamp_min(1.0);
    (picked * weights).sum().neg() / count
}
