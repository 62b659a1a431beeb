//! A linear layer with a low-rank addition to its weight (LoRA, Hu et al. 2021).

use burn::tensor::Tensor;

use crate::{low_rank_kernel, node::Input};

/// What is added to a weight `[out, in]`: `factor · b · a`.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// `[rank, in]`
    pub a: Tensor<2>,
    /// `[out, rank]`
    pub b: Tensor<2>,
    pub factor: f32,
}

/// `x · weightᵀ + bias + factor · (x · aᵀ) · bᵀ`: `x` `[rows, in]`, `weight` `[out, in]`, `bias`
/// `[out]`. The sum of weight and addition never exists.
pub fn low_rank(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    added: LowRank,
) -> Tensor<2> {
    let read = [&x, &weight, &added.a, &added.b].map(Input::of);
    match (read, bias.as_ref().map(Input::of)) {
        ([Some(x), Some(weight), Some(a), Some(b)], None) => {
            low_rank_kernel::low_rank([x, weight, a, b], added.factor)
        }
        ([Some(x), Some(weight), Some(a), Some(b)], Some(Some(bias))) => {
            low_rank_kernel::low_rank_bias([x, weight, a, b, bias], added.factor)
        }
        _ => composed(x, weight, bias, added),
    }
}

/// [`low_rank`] with Burn's own operations: every backend, every element type.
pub fn composed(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    added: LowRank,
) -> Tensor<2> {
    let inner = x.clone().matmul(added.a.transpose());
    let extra = inner.matmul(added.b.transpose()) * added.factor;
    crate::linear::composed(x, weight, bias) + extra
}
