//! Arithmetic on the logits of one position, in single or double precision.

use num_traits::Float;
use rten_simd::SimdUnaryOp;

/// The number formats that methods compute in: `f32` at work, `f64` beside reference numbers.
pub trait Real: Float + std::iter::Sum + Send + Sync + 'static {
    fn of(number: f64) -> Self;

    fn double(self) -> f64;

    /// Replaces every number by its exponential.
    fn exp_all(numbers: &mut [Self]);
}

impl Real for f64 {
    fn of(number: f64) -> Self {
        number
    }

    fn double(self) -> f64 {
        self
    }

    fn exp_all(numbers: &mut [Self]) {
        numbers.iter_mut().for_each(|x| *x = x.exp());
    }
}

impl Real for f32 {
    fn of(number: f64) -> Self {
        number as f32
    }

    fn double(self) -> f64 {
        self.into()
    }

    fn exp_all(numbers: &mut [Self]) {
        rten_vecmath::Exp::default().map_mut(numbers);
    }
}

/// The largest number; `-inf` of none.
pub fn max<F: Real>(logits: &[F]) -> F {
    logits.iter().copied().fold(F::neg_infinity(), F::max)
}

/// The first place of the largest number.
pub fn argmax<F: Real>(logits: &[F]) -> usize {
    let largest = max(logits);
    logits.iter().position(|&x| x == largest).unwrap_or(0)
}

/// `max + ln sum exp(x - max)`, summed in double precision.
pub fn log_sum_exp<F: Real>(logits: &[F]) -> F {
    let largest = max(logits);
    if !largest.is_finite() {
        return largest;
    }
    let mut shifted: Vec<F> = logits.iter().map(|&x| x - largest).collect();
    F::exp_all(&mut shifted);
    let sum: f64 = shifted.iter().map(|x| x.double()).sum();
    largest + F::of(sum.ln())
}

/// Log-probabilities of all tokens.
pub fn log_softmax<F: Real>(logits: &[F]) -> Vec<F> {
    let total = log_sum_exp(logits);
    logits.iter().map(|&x| x - total).collect()
}

/// Probabilities of all tokens.
pub fn softmax<F: Real>(logits: &[F]) -> Vec<F> {
    let mut probabilities = log_softmax(logits);
    F::exp_all(&mut probabilities);
    probabilities
}

/// The `k`-th largest number, from 1; the smallest if there are fewer.
///
/// # Panics
/// Without any.
pub fn kth_largest<F: Real>(logits: &[F], k: usize) -> F {
    let mut sorted = logits.to_vec();
    let at = k.clamp(1, sorted.len()) - 1;
    let descending = |a: &F, b: &F| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal);
    *sorted.select_nth_unstable_by(at, descending).1
}

/// Which tokens are at least `alpha` times as probable as the most probable one.
pub fn plausible<F: Real>(log_probabilities: &[F], alpha: F) -> Vec<bool> {
    let least = max(log_probabilities) + alpha.ln();
    log_probabilities.iter().map(|&x| x >= least).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_sum_to_one_in_both_precisions() {
        let logits = [3.0, -1.0, 700.0, 699.0, f64::NEG_INFINITY];
        let single = logits.map(|x| x as f32);
        let sum: f64 = softmax(&logits).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        for (double, single) in log_softmax(&logits).iter().zip(log_softmax(&single)) {
            let close = *double == f64::from(single) || (double - f64::from(single)).abs() < 1e-4;
            assert!(close, "{double} {single}");
        }
    }

    #[test]
    fn the_kth_largest_counts_equals_one_by_one() {
        let logits = [2.0, 5.0, 5.0, 1.0];
        assert_eq!(
            [1, 2, 3, 9].map(|k| kth_largest(&logits, k)),
            [5.0, 5.0, 2.0, 1.0]
        );
        assert_eq!(argmax(&logits), 1);
    }
}
