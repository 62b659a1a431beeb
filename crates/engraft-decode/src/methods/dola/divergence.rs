//! How much the answers of two layers differ.

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
        let total = sum(probability.chunks(LANES).map(|chunk| {
            let mut lanes = [0.0; LANES];
            lanes[..chunk.len()].copy_from_slice(chunk);
            lanes
        }));
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
    let terms = (0..f.log.len()).step_by(LANES).map(|start| {
        let end = (start + LANES).min(f.log.len());
        let range = start..end;
        let mut lanes = [0.0; LANES];
        let logs = f.log[range.clone()].iter().zip(&g.log[range.clone()]);
        let both = f.probability[range.clone()]
            .iter()
            .zip(&g.probability[range]);
        for ((lane, (&p, &q)), (&ln_p, &ln_q)) in lanes.iter_mut().zip(both).zip(logs) {
            *lane = term(p, q, (ln_p - ln_q).abs());
        }
        lanes
    });
    0.5 * sum(terms) / f.log.len() as f64
}

/// `M (2 ln M - ln p - ln q)`, where `apart` is `|ln p - ln q|`.
///
/// With `a` the larger of both and `r` their ratio, `M = a (1 + r)/2` and `ln p + ln q = 2 ln a - apart`,
/// so that only `ln((1 + r)/2)` is left to compute: a short series, since `r` lies between 0 and 1.
fn term(p: f32, q: f32, apart: f32) -> f32 {
    let mean = (p + q) * 0.5;
    let ratio = p.min(q) / p.max(q).max(f32::MIN_POSITIVE);
    let value = mean * (2.0 * ln_half_of_one_and(ratio) + apart);
    if mean > 0.0 { value } else { 0.0 }
}

/// `ln((1 + r)/2)` for `r` from 0 to 1, as `2 artanh(u)` with `u = (r - 1)/(r + 3)`; the terms left
/// out are below 1e-9.
fn ln_half_of_one_and(r: f32) -> f32 {
    let u = (r - 1.0) / (r + 3.0);
    let square = u * u;
    let mut series = 0.0;
    for odd in [15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0f32] {
        series = series * square + 1.0 / odd;
    }
    2.0 * u * series
}

/// Numbers added side by side, which a processor does at once.
const LANES: usize = 8;

fn sum(terms: impl Iterator<Item = [f32; LANES]>) -> f64 {
    let mut sums = [0.0f64; LANES];
    for lanes in terms {
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(lane);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logits::{log_softmax, softmax};

    #[test]
    fn the_series_is_a_logarithm() {
        for r in [0.0f32, 1e-6, 0.1, 0.5, 0.9, 1.0] {
            let want = ((1.0 + f64::from(r)) / 2.0).ln();
            assert!(
                (f64::from(ln_half_of_one_and(r)) - want).abs() < 1e-7,
                "{r}"
            );
        }
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
