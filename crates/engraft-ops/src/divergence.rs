//! The distance between two rows of logits, with mask, temperature and reduction.
//!
//! A divergence is a [`Pointwise`] term `f(p, q)` summed over the vocabulary, where `p` is the
//! teacher's and `q` the student's probability. With `w = q * df/dq` the gradient on the student's
//! logits is `(w - q * sum(w)) / T`, so a new divergence is one small type: its term and its
//! weighted slope. The operation never stores a second `[rows, vocab]` beside the gradient.

use std::{fmt::Debug, sync::Arc};

use burn::tensor::{Bool, DType, Int, Tensor, activation::log_softmax};

use crate::{flex::wide, float::sum_into, half::widened, loss_kernel};

/// One stretch of a row, equal lengths: probabilities and their natural logarithms.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    /// Teacher (target) probabilities.
    pub p: &'a [f32],
    /// Student probabilities.
    pub q: &'a [f32],
    pub log_p: &'a [f32],
    pub log_q: &'a [f32],
}

impl Block<'_> {
    /// Writes `weighted` and returns the sum of the terms, in vector code: `entry` gets
    /// `(p, q, log_p, log_q)` and answers `(term, weighted)`. Mark the closure
    /// `#[inline(always)]`.
    #[inline(always)]
    pub fn sum(
        self,
        weighted: &mut [f32],
        mut entry: impl FnMut(f32, f32, f32, f32) -> (f32, f32),
    ) -> f32 {
        wide(
            #[inline(always)]
            || {
                sum_into(
                    [self.p, self.q, self.log_p, self.log_q],
                    weighted,
                    #[inline(always)]
                    |[p, q, log_p, log_q]| entry(p, q, log_p, log_q),
                )
            },
        )
    }
}

/// A divergence as the sum over the vocabulary of a term in `p` (target) and `q` (student).
///
/// Entries that do not count (a logit of minus infinity) arrive with `p`, `q` and both logarithms
/// 0; their term must be 0.
pub trait Pointwise: Debug + Send + Sync + 'static {
    /// Returns the sum of the terms of this block and writes `weighted = q * d term / d q` for each
    /// entry (forward KL: `-p`, finite where `q` is tiny). Constants in the slope count: with
    /// entries of minus infinity the `q` that are seen do not add up to 1.
    fn block(&self, block: Block<'_>, weighted: &mut [f32]) -> f32;

    /// The same terms with Burn's own operations, `[rows, vocab]` in and out, differentiable.
    fn composed(&self, p: Tensor<2>, q: Tensor<2>, log_p: Tensor<2>, log_q: Tensor<2>)
    -> Tensor<2>;
}

/// Forward KL, `p (log p - log q)`: the student covers everything the target finds likely.
#[derive(Debug)]
pub struct ForwardKl;

impl Pointwise for ForwardKl {
    fn block(&self, x: Block<'_>, weighted: &mut [f32]) -> f32 {
        x.sum(
            weighted,
            #[inline(always)]
            |p, _, log_p, log_q| (p * (log_p - log_q), -p),
        )
    }

    fn composed(
        &self,
        p: Tensor<2>,
        _q: Tensor<2>,
        log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2> {
        p * (log_p - log_q)
    }
}

/// What the sum over rows is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// By the number of rows the mask keeps (at least 1).
    PerLabelledToken,
    /// By the number of all rows, masked ones included.
    BatchMean,
    /// By rows times vocabulary.
    PerElement,
    /// Not at all.
    Sum,
}

/// How a student's rows are matched to a target's.
#[derive(Clone, Debug)]
pub struct Matching {
    pub divergence: Arc<dyn Pointwise>,
    /// Divides both logits before the softmax.
    pub temperature: f32,
    /// Multiply the loss by the temperature squared (Hinton's scaling).
    pub t_squared: bool,
    /// The target is `softmax((1 - t) * student + t * teacher)`, the student detached (TAID);
    /// 1 is the teacher itself.
    pub interpolate: f32,
    pub reduction: Reduction,
}

impl Matching {
    /// The plain case: temperature 1, target the teacher, mean over the rows that count.
    pub fn new(divergence: Arc<dyn Pointwise>) -> Self {
        Self {
            divergence,
            temperature: 1.0,
            t_squared: false,
            interpolate: 1.0,
            reduction: Reduction::PerLabelledToken,
        }
    }

    /// What the sum over rows is multiplied by.
    pub(crate) fn factor(&self, rows: usize, vocab: usize, kept: f64) -> f64 {
        let divisor = match self.reduction {
            Reduction::PerLabelledToken => kept.max(1.0),
            Reduction::BatchMean => rows as f64,
            Reduction::PerElement => (rows * vocab) as f64,
            Reduction::Sum => 1.0,
        };
        let scale = if self.t_squared {
            f64::from(self.temperature).powi(2)
        } else {
            1.0
        };
        scale / divisor
    }
}

/// A language-model head that has not been applied yet.
#[derive(Clone, Debug)]
pub struct Head {
    /// `[rows, width]`
    pub hidden: Tensor<2>,
    /// `[vocab, width]`
    pub weight: Tensor<2>,
    /// `[vocab]`
    pub bias: Option<Tensor<1>>,
}

/// Logits, or what they are made of: with [`Logits::Head`] a loss applies the head to a few rows
/// at a time and `[rows, vocab]` never exists.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a step; a box would burden every caller"
)]
pub enum Logits {
    /// `[rows, vocab]`
    Full(Tensor<2>),
    Head(Head),
}

impl Logits {
    /// `[rows, vocab]`, differentiable; stores the whole of it. Half precision is widened to `f32`:
    /// losses are made of these.
    pub fn full(self) -> Tensor<2> {
        widened(match self {
            Self::Full(logits) => logits,
            Self::Head(head) => crate::linear(head.hidden, head.weight, head.bias),
        })
    }

    /// Only these rows, in this order.
    #[must_use]
    pub fn select(self, rows: Tensor<1, Int>) -> Self {
        match self {
            Self::Full(logits) => Self::Full(logits.select(0, rows)),
            Self::Head(head) => Self::Head(Head {
                hidden: head.hidden.select(0, rows),
                ..head
            }),
        }
    }

    /// The same without gradient: what a teacher is.
    pub fn detach(self) -> Self {
        match self {
            Self::Full(logits) => Self::Full(logits.detach()),
            Self::Head(head) => Self::Head(Head {
                hidden: head.hidden.detach(),
                weight: head.weight.detach(),
                bias: head.bias.map(Tensor::detach),
            }),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Full(logits) => logits.dims()[0],
            Self::Head(head) => head.hidden.dims()[0],
        }
    }

    /// Number of classes or vocabulary entries.
    pub fn vocab(&self) -> usize {
        match self {
            Self::Full(logits) => logits.dims()[1],
            Self::Head(head) => head.weight.dims()[0],
        }
    }
}

/// The divergence between a student's and a teacher's rows, a scalar `[1]`.
///
/// `mask`: one flag a row, `None` keeps all. The teacher never receives a gradient. Entries where a
/// logit of either side is minus infinity count as 0.
///
/// # Panics
/// If student, teacher and mask differ in rows or vocabulary.
pub fn divergence(
    student: Logits,
    teacher: Logits,
    mask: Option<Tensor<1, Bool>>,
    matching: &Matching,
) -> Tensor<1> {
    let teacher = teacher.detach();
    loss_kernel::divergence(&student, &teacher, mask.as_ref(), matching)
        .unwrap_or_else(|| composed(student, teacher, mask, matching))
}

/// `(1 - t) * student + t * teacher`; at the ends one side alone, because `0 * -inf` is NaN.
fn interpolated(student: Tensor<2>, teacher: Tensor<2>, t: f32) -> Tensor<2> {
    if t == 1.0 {
        teacher
    } else if t == 0.0 {
        student
    } else {
        student * (1.0 - t) + teacher * t
    }
}

/// The divergence with Burn's own operations: every backend, every element type.
pub fn composed(
    student: Logits,
    teacher: Logits,
    mask: Option<Tensor<1, Bool>>,
    matching: &Matching,
) -> Tensor<1> {
    let student = student.full();
    let teacher = teacher.detach().full();
    let [rows, vocab] = student.dims();
    let hidden = teacher
        .clone()
        .equal_elem(f32::NEG_INFINITY)
        .bool_or(student.clone().detach().equal_elem(f32::NEG_INFINITY));
    let target = interpolated(student.clone().detach(), teacher, matching.interpolate);
    let log_q = log_softmax(student / matching.temperature, 1).mask_fill(hidden.clone(), 0.0);
    let log_p = log_softmax(target / matching.temperature, 1)
        .mask_fill(hidden.clone(), 0.0)
        .detach();
    let p = log_p.clone().exp().mask_fill(hidden.clone(), 0.0);
    let q = log_q.clone().exp().mask_fill(hidden, 0.0);
    let terms = matching.divergence.composed(p, q, log_p, log_q);
    let per_row = terms.sum_dim(1).reshape([rows]);
    let (sum, kept) = match mask {
        None => (per_row.sum(), rows as f64),
        Some(mask) => {
            let weights = mask.float().cast(per_row.dtype());
            let kept: f32 = weights.clone().sum().cast(DType::F32).into_scalar();
            ((per_row * weights).sum(), f64::from(kept))
        }
    };
    sum * matching.factor(rows, vocab, kept)
}
