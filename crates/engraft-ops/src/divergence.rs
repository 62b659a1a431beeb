//! The distance between two rows of logits, with mask, temperature and reduction.
//!
//! A divergence is a [`Pointwise`] term `f(p, q)` summed over the vocabulary, where `p` is the
//! teacher's and `q` the student's probability. With `h = df/dq` the gradient on the student's
//! logits is `q * (h - sum(q * h)) / T`, so a new divergence is one small type: its term and its
//! slope. The operation never stores a second `[rows, vocab]` beside the gradient.

use std::{fmt::Debug, sync::Arc};

use burn::tensor::{Bool, Int, Tensor, activation::log_softmax};

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

/// A divergence as the sum over the vocabulary of a term in `p` (target) and `q` (student).
pub trait Pointwise: Debug + Send + Sync + 'static {
    /// Returns the sum of the terms of this block and writes `slope = d term / d q` for each entry.
    fn block(&self, block: Block<'_>, slope: &mut [f32]) -> f32;

    /// The same terms with Burn's own operations, `[rows, vocab]` in and out, differentiable.
    fn composed(
        &self,
        p: Tensor<2>,
        q: Tensor<2>,
        log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2>;
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
pub enum Logits {
    /// `[rows, vocab]`
    Full(Tensor<2>),
    Head(Head),
}

impl Logits {
    /// `[rows, vocab]`, differentiable; stores the whole of it.
    pub fn full(self) -> Tensor<2> {
        match self {
            Self::Full(logits) => logits,
            Self::Head(head) => crate::linear(head.hidden, head.weight, head.bias),
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
pub fn divergence(
    student: Logits,
    teacher: Logits,
    mask: Option<Tensor<1, Bool>>,
    matching: &Matching,
) -> Tensor<1> {
    composed(student, teacher, mask, matching)
}

/// Cross-entropy with class ids, a scalar `[1]`, mean over the labelled rows (at least 1).
///
/// `labels` `[rows]`: a class id, or -100 for a row that does not count.
pub fn cross_entropy(logits: Logits, labels: Tensor<1, Int>) -> Tensor<1> {
    let log_q = log_softmax(logits.full(), 1);
    let labelled = labels.clone().not_equal_elem(-100);
    let ids = labels.mask_fill(labelled.clone().bool_not(), 0);
    let rows = ids.dims()[0];
    let picked = log_q.gather(1, ids.reshape([rows, 1])).reshape([rows]);
    let weights = labelled.float();
    let count = weights.clone().sum().clamp_min(1.0);
    (picked * weights).sum().neg() / count
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
    let target = if matching.interpolate == 1.0 {
        teacher
    } else {
        student.clone().detach() * (1.0 - matching.interpolate) + teacher * matching.interpolate
    };
    let log_q = log_softmax(student / matching.temperature, 1);
    let log_p = log_softmax(target / matching.temperature, 1).detach();
    let (p, q) = (log_p.clone().exp(), log_q.clone().exp());
    let terms = matching.divergence.composed(p, q, log_p, log_q);
    let per_row = terms.sum_dim(1).reshape([rows]);
    let (sum, kept) = match mask {
        None => (per_row.sum(), rows as f32),
        Some(mask) => {
            let weights = mask.float();
            let kept: f32 = weights.clone().sum().into_scalar();
            ((per_row * weights).sum(), kept)
        }
    };
    let divisor = match matching.reduction {
        Reduction::PerLabelledToken => kept.max(1.0),
        Reduction::BatchMean => rows as f32,
        Reduction::PerElement => (rows * vocab) as f32,
        Reduction::Sum => 1.0,
    };
    let scale = if matching.t_squared {
        matching.temperature * matching.temperature
    } else {
        1.0
    };
    sum * (scale / divisor)
}
