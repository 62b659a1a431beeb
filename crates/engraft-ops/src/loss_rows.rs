//! The loss of one row of logits; the row becomes its own gradient.

use crate::cross_entropy::IGNORE;
use crate::divergence::{Block, Matching, Pointwise};
use crate::flex::wide;
use crate::float::{exp, exp_in_place, max, sum};

/// Entries a divergence gets at a time: six such buffers fit the first-level cache.
const BLOCK: usize = 1024;

/// A loss that is a sum over rows.
pub(crate) trait RowLoss: Sync {
    /// Whether this row adds to the loss.
    fn counts(&self, row: usize) -> bool;

    /// The loss of a row that counts. `logits` becomes the gradient; `teacher` is empty for a loss
    /// without one; `scratch` is as long as `logits`.
    fn row(&self, row: usize, logits: &mut [f32], teacher: &[f32], scratch: &mut [f32]) -> f64;
}

/// Mean negative log-probability of the labels.
pub(crate) struct CrossEntropy {
    labels: Vec<i64>,
    factor: f32,
}

impl CrossEntropy {
    pub fn new(labels: Vec<i64>, vocab: usize) -> Self {
        let labelled = labels.iter().filter(|&&label| label != IGNORE);
        for label in labelled.clone() {
            assert!(
                (0..vocab as i64).contains(label),
                "label {label} is not a class id below {vocab}; use {IGNORE} for rows that do not count"
            );
        }
        let factor = 1.0 / labelled.count().max(1) as f32;
        Self { labels, factor }
    }
}

impl RowLoss for CrossEntropy {
    fn counts(&self, row: usize) -> bool {
        self.labels[row] != IGNORE
    }

    fn row(&self, row: usize, logits: &mut [f32], _: &[f32], _: &mut [f32]) -> f64 {
        let label = self.labels[row] as usize;
        let picked = logits[label];
        let loss = wide(
            #[inline(always)]
            || {
                let top = max(
                    [&*logits],
                    #[inline(always)]
                    |[x]| x,
                );
                let total = exp_in_place(logits, 1.0, top);
                let factor = self.factor / total;
                logits.iter_mut().for_each(|value| *value *= factor);
                total.ln() + (top - picked)
            },
        );
        logits[label] -= self.factor;
        f64::from(loss) * f64::from(self.factor)
    }
}

/// A divergence from a teacher's row.
pub(crate) struct Divergence<'a> {
    matching: &'a Matching,
    mask: Option<Vec<bool>>,
    factor: f32,
}

impl<'a> Divergence<'a> {
    pub fn new(matching: &'a Matching, mask: Option<Vec<bool>>, rows: usize, vocab: usize) -> Self {
        let kept = mask
            .as_ref()
            .map_or(rows, |mask| mask.iter().filter(|&&counts| counts).count());
        let factor = matching.factor(rows, vocab, kept as f64) as f32;
        Self {
            matching,
            mask,
            factor,
        }
    }
}

impl RowLoss for Divergence<'_> {
    fn counts(&self, row: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask[row])
    }

    fn row(&self, _: usize, logits: &mut [f32], teacher: &[f32], scratch: &mut [f32]) -> f64 {
        let inverse = 1.0 / self.matching.temperature;
        let mix = Mix(self.matching.interpolate);
        let (student_log, target_log, inverse_total) = wide(
            #[inline(always)]
            || {
                scratch.copy_from_slice(logits);
                let student_top = max(
                    [&*logits],
                    #[inline(always)]
                    |[x]| x,
                ) * inverse;
                let total = exp_in_place(scratch, inverse, student_top);
                let target_top = mix.max(logits, teacher) * inverse;
                let target_total = sum(
                    [&*logits, teacher],
                    #[inline(always)]
                    |[s, t]| exp(mix.of(s, t).mul_add(inverse, -target_top)),
                );
                (
                    student_top + total.ln(),
                    target_top + target_total.ln(),
                    1.0 / total,
                )
            },
        );
        let shared = Row {
            divergence: self.matching.divergence.as_ref(),
            mix,
            inverse,
            student_log,
            target_log,
            inverse_total,
        };
        let mut buffers = [[0.0f32; BLOCK]; 4];
        let (mut loss, mut weight) = (0.0f64, 0.0f64);
        let blocks = logits.chunks_mut(BLOCK).zip(teacher.chunks(BLOCK));
        for ((logits, teacher), q) in blocks.zip(scratch.chunks_mut(BLOCK)) {
            let (terms, weights) = shared.block(logits, teacher, q, &mut buffers);
            loss += f64::from(terms);
            weight += f64::from(weights);
        }
        let (weight, factor) = (weight as f32, self.factor * inverse);
        wide(
            #[inline(always)]
            || {
                for (weighted, q) in logits.iter_mut().zip(scratch.iter()) {
                    *weighted = q.mul_add(-weight, *weighted) * factor;
                }
            },
        );
        loss * f64::from(self.factor)
    }
}

/// The target's logit; at the ends one side alone, because `0 * -inf` is NaN.
#[derive(Clone, Copy)]
struct Mix(f32);

impl Mix {
    #[inline(always)]
    fn of(self, student: f32, teacher: f32) -> f32 {
        if self.0 == 1.0 {
            teacher
        } else if self.0 == 0.0 {
            student
        } else {
            student * (1.0 - self.0) + teacher * self.0
        }
    }

    #[inline(always)]
    fn max(self, student: &[f32], teacher: &[f32]) -> f32 {
        max(
            [student, teacher],
            #[inline(always)]
            |[student, teacher]| self.of(student, teacher),
        )
    }
}

/// Whether an entry is left out.
#[inline(always)]
fn hidden_entry(student: f32, teacher: f32) -> bool {
    student == f32::NEG_INFINITY || teacher == f32::NEG_INFINITY
}

/// What the blocks of a row share.
struct Row<'a> {
    divergence: &'a dyn Pointwise,
    mix: Mix,
    inverse: f32,
    student_log: f32,
    target_log: f32,
    inverse_total: f32,
}

impl Row<'_> {
    /// Replaces logits by the weighted slope and unnormalised `q` by probabilities; returns the
    /// sums of the terms and of the weighted slopes.
    fn block(
        &self,
        logits: &mut [f32],
        teacher: &[f32],
        q: &mut [f32],
        buffers: &mut [[f32; BLOCK]; 4],
    ) -> (f32, f32) {
        let len = logits.len();
        let [p, seen_q, log_p, log_q] = buffers;
        let (p, seen_q) = (&mut p[..len], &mut seen_q[..len]);
        let (log_p, log_q) = (&mut log_p[..len], &mut log_q[..len]);
        let teacher = &teacher[..len];
        let q = &mut q[..len];
        let hides = wide(
            #[inline(always)]
            || {
                for i in 0..len {
                    let target = self.mix.of(logits[i], teacher[i]);
                    q[i] *= self.inverse_total;
                    seen_q[i] = q[i];
                    log_q[i] = logits[i].mul_add(self.inverse, -self.student_log);
                    log_p[i] = target.mul_add(self.inverse, -self.target_log);
                    p[i] = exp(log_p[i]);
                }
                sum(
                    [&*logits, teacher],
                    #[inline(always)]
                    |[s, t]| if hidden_entry(s, t) { 1.0 } else { 0.0 },
                ) > 0.0
            },
        );
        let hidden: Vec<usize> = if hides {
            (0..len)
                .filter(|&i| hidden_entry(logits[i], teacher[i]))
                .collect()
        } else {
            Vec::new()
        };
        for &i in &hidden {
            (p[i], seen_q[i], log_p[i], log_q[i]) = (0.0, 0.0, 0.0, 0.0);
        }
        let block = Block {
            p,
            q: seen_q,
            log_p,
            log_q,
        };
        let terms = self.divergence.block(block, logits);
        for i in hidden {
            logits[i] = 0.0;
        }
        let weights = wide(
            #[inline(always)]
            || {
                sum(
                    [&*logits],
                    #[inline(always)]
                    |[weighted]| weighted,
                )
            },
        );
        (terms, weights)
    }
}
