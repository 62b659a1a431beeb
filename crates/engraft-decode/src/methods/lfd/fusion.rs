//! The score of a layer, and the sum of two layers' votes.

use engraft_method::parity::{Case, ParityError};

use crate::logits::{Real, argmax, log_softmax, max, plausible, softmax};

/// Jensen-Shannon divergence in nats, 0 to ln 2, of the distributions of two sets of logits.
pub fn divergence<F: Real>(a: &[F], b: &[F]) -> F {
    let (log_a, log_b) = (log_softmax(a), log_softmax(b));
    let exponentials = |logs: &[F]| -> Vec<F> {
        let mut values = logs.to_vec();
        F::exp_all(&mut values);
        values
    };
    let (a, b) = (exponentials(&log_a), exponentials(&log_b));
    let half = F::of(0.5);
    let mut sum = 0.0;
    for token in 0..a.len() {
        let middle = (a[token] + b[token]) * half;
        if middle <= F::zero() {
            continue;
        }
        let log_middle = middle.ln();
        for (probability, log) in [(a[token], log_a[token]), (b[token], log_b[token])] {
            if probability > F::zero() {
                sum += (probability * (log - log_middle)).double();
            }
        }
    }
    F::of((sum / 2.0).max(0.0))
}

/// The first place of the lowest score.
pub fn least<F: Real>(scores: &[F]) -> usize {
    let negated: Vec<F> = scores.iter().map(|&score| -score).collect();
    argmax(&negated)
}

/// Tokens, ascending, at least `alpha` times as probable as the most probable one.
pub fn head<F: Real>(logits: &[F], alpha: F) -> Vec<usize> {
    let least = max(logits) + alpha.ln();
    (0..logits.len())
        .filter(|&token| logits[token] >= least)
        .collect()
}

/// Writes `last + w · layer` on the head and `-inf` elsewhere, from log-probabilities `[vocab]`.
pub fn fuse<F: Real>(last: &[F], layer: &[F], head: &[usize], w: F, scores: &mut [F]) {
    scores.fill(F::neg_infinity());
    for &token in head {
        // At weight 0 a token that the layer rules out must not become 0 times infinity.
        scores[token] = match w > F::zero() {
            true => last[token] + w * layer[token],
            false => last[token],
        };
    }
}

pub(super) fn parity(case: &mut Case) -> Result<(), ParityError> {
    let alpha = case.number("alpha")?;
    let eps = case.number("rms_eps")?;
    let candidates = case.numbers("candidate_layers")?;
    let candidates: Vec<usize> = candidates.into_iter().map(|layer| layer as usize).collect();
    let norm = &case.input("norm_weight")?.values;
    let width = norm.len();
    let lm_head = &case.input("lm_head")?.values;
    let lens = |state: &[f64]| -> Vec<f64> {
        let square = state.iter().map(|x| x * x).sum::<f64>() / width as f64;
        let scale = (square + eps).sqrt().recip();
        let normed: Vec<f64> = state.iter().zip(norm).map(|(x, w)| x * scale * w).collect();
        let rows = lm_head.chunks(width);
        rows.map(|row| row.iter().zip(&normed).map(|(a, b)| a * b).sum())
            .collect()
    };
    let exits = |name: &str| -> Result<Vec<Vec<f64>>, ParityError> {
        Ok(case.input(name)?.values.chunks(width).map(lens).collect())
    };
    let (before, after) = (exits("resid_mid")?, exits("resid_post")?);
    let iks: Vec<f64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| divergence(before, after))
        .collect();
    let competing: Vec<f64> = candidates.iter().map(|&layer| iks[layer]).collect();
    let layer = candidates[least(&competing)];
    let last = &after[after.len() - 1];
    let (log_last, log_layer) = (log_softmax(last), log_softmax(&after[layer]));
    let mut fused = vec![0.0; last.len()];
    fuse(&log_last, &log_layer, &head(last, alpha), 1.0, &mut fused);
    let inside = plausible(&log_last, alpha);
    let winner = argmax(last);

    case.output("iks", iks);
    case.output("layer", [layer as f64]);
    case.output("argmax", [argmax(&fused) as f64]);
    case.output("argmax_base", [winner as f64]);
    case.output("head", inside.into_iter().map(f64::from));
    case.output("fused_probs", softmax(&fused));
    case.output("fused", fused);
    case.output("logq_final", log_last);
    case.output("logq_layer", log_layer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: f64 = f64::NEG_INFINITY;

    #[test]
    fn the_divergence_runs_from_nothing_to_ln_2() {
        let a = [3.0, 1.0, NEVER, NEVER];
        let b = [NEVER, NEVER, 0.5, 2.0];
        assert_eq!(divergence(&a, &a), 0.0);
        assert!((divergence(&a, &b) - 2.0f64.ln()).abs() < 1e-12);
        let single = |x: [f64; 4]| x.map(|x| x as f32);
        let difference = divergence(&single(a), &single(b)) - 2.0f32.ln();
        assert!(difference.abs() < 1e-6, "{difference}");
    }

    #[test]
    fn the_first_of_equal_layers_is_taken() {
        assert_eq!(least(&[0.3, 0.1, 0.1, 0.2]), 1);
    }

    #[test]
    fn weight_0_is_the_last_layer_on_its_head() {
        let last = log_softmax(&[2.0, 1.9, -9.0]);
        let layer = [NEVER, -0.1, -3.0];
        let mut scores = [0.0; 3];
        fuse(&last, &layer, &head(&last, 0.1), 0.0, &mut scores);
        assert_eq!(scores, [last[0], last[1], NEVER]);
        fuse(&last, &layer, &head(&last, 0.1), 1.0, &mut scores);
        assert_eq!(argmax(&scores), 1);
    }
}
