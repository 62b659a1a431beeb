//! The distribution that the next token is drawn from: the changed model's and the plain one's,
//! multiplied, and what is left of it.

use super::Kid;
use crate::{
    logits::{Real, kth_largest, log_softmax},
    processors::repetition_penalty,
};

/// Tokens that would end a sequence of `size` tokens which occurred already, in the order of their
/// occurrences.
pub fn banned(tokens: &[u32], size: usize) -> Vec<u32> {
    let Some(start) = (size > 0)
        .then(|| tokens.len().checked_sub(size - 1))
        .flatten()
    else {
        return Vec::new();
    };
    let last = &tokens[start..];
    let sequences = tokens.windows(size);
    sequences
        .filter(|sequence| sequence[..size - 1] == *last)
        .map(|sequence| sequence[size - 1])
        .collect()
}

/// Log-probabilities `[vocab]` after the ban and the penalty of repetition.
pub fn processed(logits: &[f32], tokens: &[u32], settings: &Kid) -> Vec<f32> {
    let mut logits = logits.to_vec();
    if settings.repetition_penalty != 1.0 {
        repetition_penalty(&mut logits, tokens, settings.repetition_penalty);
    }
    for (place, token) in banned(tokens, settings.banned_ngram_size)
        .into_iter()
        .enumerate()
    {
        let official = settings.ban_positions.then_some(place);
        for token in official.into_iter().chain([token as usize]) {
            if let Some(logit) = logits.get_mut(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
    log_softmax(&logits)
}

/// Probabilities `[vocab]` from the logits of the plain and of the changed model after `tokens`.
pub fn fuse(own: &[f32], changed: &[f32], tokens: &[u32], settings: &Kid) -> Vec<f32> {
    let own = processed(own, tokens, settings);
    let changed = processed(changed, tokens, settings);
    let weight = settings.gm_scale;
    let mut fused: Vec<f32> = changed
        .iter()
        .zip(&own)
        .map(|(changed, own)| weighted(weight, *changed) + weighted(1.0 - weight, *own))
        .collect();
    f32::exp_all(&mut fused);
    let nucleus = nucleus(&fused, settings);
    let mass: f64 = nucleus.iter().map(|&token| f64::from(fused[token])).sum();
    let mut probabilities = vec![0.0; fused.len()];
    for token in nucleus {
        probabilities[token] = (f64::from(fused[token]) / mass.min(1.0)) as f32;
    }
    probabilities
}

/// A logarithm times its weight; impossible tokens are so only for those who have a weight.
fn weighted(weight: f32, log: f32) -> f32 {
    match weight == 0.0 {
        true => 0.0,
        false => weight * log,
    }
}

/// The tokens that stay, of probabilities `[vocab]` that sum to at most 1.
fn nucleus(fused: &[f32], settings: &Kid) -> Vec<usize> {
    let least = kth_largest(fused, settings.top_k);
    let mut order: Vec<usize> = (0..fused.len())
        .filter(|&token| fused[token] >= least && fused[token] > 0.0)
        .collect();
    order.sort_by(|&a, &b| fused[b].total_cmp(&fused[a]));
    let weight = |token: usize| match settings.softmax_top_p {
        true => f64::from(fused[token]).exp(),
        false => f64::from(fused[token]),
    };
    let whole = match settings.softmax_top_p {
        // Every token that went has a weight of 1.
        true => {
            let gone = fused.len() - order.len();
            order.iter().map(|&token| weight(token)).sum::<f64>() + gone as f64
        }
        false => 1.0,
    };
    let mut before = 0.0;
    let enough = |token: &&usize| {
        let open = before <= f64::from(settings.top_p);
        before += weight(**token) / whole;
        open
    };
    let stay = order.iter().take_while(enough).count();
    order.truncate(stay);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kid_bans_only_what_would_repeat() {
        assert_eq!(banned(&[3, 7, 9, 3], 2), [7]);
        assert_eq!(banned(&[1, 2, 5, 1, 8, 1], 2), [2, 8]);
        assert_eq!(banned(&[1, 2, 3, 1, 2], 3), [3]);
        assert_eq!(banned(&[4, 5], 1), [4, 5]);
        assert!(banned(&[1], 3).is_empty());
        assert!(banned(&[1, 1], 0).is_empty());
        assert!(banned(&[], 2).is_empty());
        let settings = Kid::default();
        let logs = processed(&[0.0; 10], &[3, 7, 9, 3], &settings);
        assert_eq!(logs[7], f32::NEG_INFINITY);
        assert!(logs[0].is_finite());
    }

    #[test]
    fn kid_distributions_sum_to_one_and_hold_no_impossible_token() {
        let settings = Kid {
            top_p: 1.0,
            top_k: 3,
            ..Kid::default()
        };
        let own = [1.0, 2.0, f32::NEG_INFINITY, 0.0, 3.0];
        let fused = fuse(&own, &own, &[], &settings);
        assert!((fused.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!([fused[2], fused[3]], [0.0, 0.0]);
        let all = Kid {
            gm_scale: 1.0,
            ..settings
        };
        assert!(fuse(&own, &[0.0; 5], &[], &all)[2] > 0.0);
    }
}
