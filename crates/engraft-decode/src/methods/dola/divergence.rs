//! How much the answers of two layers differ.

use rten_simd::{Isa, SimdOp};

use crate::logits::{Real, max};

/// The answer of a layer, `[vocab]`.
pub(super) struct Distribution {
    pub log: Vec<f32>,
    pub probability: Vec<f32>,
}

impl Distribution {
    /// The softmax of logits, with a single exponential a token.
    pub fn of(logits: &[f32]) -> Self {
        let largest = max(logits);
        let mut probability: Vec<f32> = logits.iter().map(|logit| logit - largest).collect();
        f32::exp_all(&mut probability);
        let total = sum(&probability);
        let (share, shift) = ((1.0 / total) as f32, largest + total.ln() as f32);
        probability.iter_mut().for_each(|p| *p *= share);
        Self {
            log: logits.iter().map(|logit| logit - shift).collect(),
            probability,
        }
    }
}

/// `0.5 (KL(M || f) + KL(M || g))` with `M` their mean, averaged over the vocabulary.
pub(super) fn divergence(f: &Distribution, g: &Distribution) -> f64 {
    0.5 * sum(&Terms { f, g }.dispatch()) / f.log.len() as f64
}

/// The [`term`] of every token, compiled for the widest vectors that the processor has.
struct Terms<'a> {
    f: &'a Distribution,
    g: &'a Distribution,
}

impl SimdOp for Terms<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn eval<I: Isa>(self, _isa: I) -> Vec<f32> {
        let mut terms = vec![0.0; self.f.log.len()];
        let both = self.f.probability.iter().zip(&self.g.probability);
        let logs = self.f.log.iter().zip(&self.g.log);
        for ((out, (&p, &q)), (ln_p, ln_q)) in terms.iter_mut().zip(both).zip(logs) {
            *out = term(p, q, (ln_p - ln_q).abs());
        }
        terms
    }
}

/// `M (2 ln M - ln p - ln q)`, where `apart` is `|ln p - ln q|`.
///
/// With `a` the larger of both and `r` their ratio, `M = a (1 + r)/2` and `ln p + ln q = 2 ln a - apart`,
/// so that only `ln((1 + r)/2)` is left to compute. It is `2 artanh((r - 1)/(r + 3))`: a short series,
/// since the argument lies between -1/3 and 0; the terms left out are below 1e-9.
#[inline(always)]
fn term(p: f32, q: f32, apart: f32) -> f32 {
    let (small, large) = if p < q { (p, q) } else { (q, p) };
    let u = (small - large) / (small + 3.0 * large).max(f32::MIN_POSITIVE);
    let square = u * u;
    let mut series = 1.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0f32] {
        series = series * square + 1.0 / odd;
    }
    let mean = (p + q) * 0.5;
    let value = mean * (4.0 * u * series + apart);
    if mean > 0.0 { value } else { 0.0 }
}

/// Sums in double precision, several side by side, which a processor adds at once.
fn sum(numbers: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0f64; LANES];
    let chunks = numbers.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().copied().map(f64::from).sum();
    for chunk in chunks {
        for (sum, &number) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(number);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logits::{log_softmax, softmax};

    #[test]
    fn a_term_is_that_of_the_formula() {
        for (p, q) in [(0.3f32, 0.3f32), (0.9, 1e-6), (1e-3, 0.5), (1e-30, 0.2)] {
            let (ln_p, ln_q) = (f64::from(p).ln(), f64::from(q).ln());
            let mean = f64::from(p + q) / 2.0;
            let want = mean * (2.0 * mean.ln() - ln_p - ln_q);
            let got = f64::from(term(p, q, (ln_p - ln_q).abs() as f32));
            assert!(
                (got - want).abs() <= 1e-6 * want + 1e-7,
                "{p} {q}: {got} {want}"
            );
        }
        assert_eq!(term(0.0, 0.0, f32::NAN), 0.0);
    }

    #[test]
    fn the_divergence_is_the_coded_one_whatever_the_length_and_with_vanished_tokens() {
        for vocab in [1, 7, 8, 19] {
            let row = |by: f64| -> Vec<f64> {
                (0..vocab)
                    .map(|token| {
                        (f64::from(token) * by).sin() * 9.0 - if token == 5 { 300.0 } else { 0.0 }
                    })
                    .collect()
            };
            let (f, g) = (row(1.7), row(2.9));
            let (ln_f, ln_g) = (log_softmax(&f), log_softmax(&g));
            let mean = softmax(&f).into_iter().zip(softmax(&g));
            let want: f64 = mean
                .zip(ln_f.iter().zip(&ln_g))
                .map(|((p, q), (ln_p, ln_q))| {
                    let m = (p + q) / 2.0;
                    0.5 * m * (2.0 * m.ln() - ln_p - ln_q)
                })
                .sum::<f64>()
                / f64::from(vocab);
            let single = |row: &[f64]| -> Distribution {
                Distribution::of(&row.iter().map(|&x| x as f32).collect::<Vec<f32>>())
            };
            let got = divergence(&single(&f), &single(&g));
            assert!((got - want).abs() < 1e-6, "{vocab}: {got} {want}");
        }
    }
}
