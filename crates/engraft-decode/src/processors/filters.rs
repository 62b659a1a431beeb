//! Narrowing the tokens that a draw may fall on. What is removed becomes `-inf`; the most probable
//! token never is.

use crate::logits::{Real, kth_largest, log_softmax, max, softmax};

/// Divides the scores.
pub fn temperature(scores: &mut [f32], temperature: f32) {
    scores.iter_mut().for_each(|score| *score /= temperature);
}

/// Keeps the `k` largest scores and all that equal the least of them.
pub fn top_k(scores: &mut [f32], k: usize) {
    if k < scores.len() {
        let least = kth_largest(scores, k);
        keep_if(scores, |_, score| score >= least);
    }
}

/// Keeps the [`nucleus`].
pub fn top_p(scores: &mut [f32], mass: f32) {
    let keep = nucleus(scores, mass, 1);
    keep_if(scores, |token, _| keep[token]);
}

/// Keeps the tokens that are at least `share` times as probable as the most probable one.
pub fn min_p(scores: &mut [f32], share: f32) {
    let least = max(scores) + share.min(1.0).ln();
    keep_if(scores, |_, score| score >= least);
}

/// Keeps the tokens whose surprise is nearest to the entropy until they have this mass together, and
/// all that are as near as the last of them.
pub fn typical(scores: &mut [f32], mass: f32) {
    let logs = log_softmax(scores);
    let mut probabilities = logs.clone();
    f32::exp_all(&mut probabilities);
    let surprises = logs.iter().zip(&probabilities);
    let entropy: f64 = surprises
        .filter(|(_, probability)| **probability > 0.0)
        .map(|(log, probability)| f64::from(-log * probability))
        .sum();
    let distance = |log: &f32| (-log - entropy as f32).abs();
    let distances: Vec<f32> = logs.iter().map(distance).collect();
    let set = smallest_set(&distances, &probabilities, f64::from(mass), 1);
    keep_if(scores, |token, _| distances[token] <= set.last);
}

/// Which tokens belong to the smallest set of the most probable ones with a mass of at least `top_p`;
/// the `least` most probable ones always do. The token that reaches the mass is one of them.
pub fn nucleus<F: Real>(logits: &[F], top_p: F, least: usize) -> Vec<bool> {
    if top_p >= F::one() {
        return vec![true; logits.len()];
    }
    let largest = max(logits);
    let below: Vec<F> = logits.iter().map(|&logit| largest - logit).collect();
    smallest_set(&below, &softmax(logits), top_p.double(), least).keep
}

fn keep_if(scores: &mut [f32], keep: impl Fn(usize, f32) -> bool) {
    for (token, score) in scores.iter_mut().enumerate() {
        if !keep(token, *score) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// The tokens that come first by some key until their mass is enough.
struct Set<F> {
    keep: Vec<bool>,
    /// The key of the last one.
    last: F,
}

/// Tokens that are sorted without narrowing them further.
const FEW: usize = 1024;
/// Halvings after which what is left are equals.
const HALVINGS: usize = 32;

/// Takes tokens by ascending key (0 or more; of equals the earlier first) until their weights reach
/// `mass` and they are `least` or more.
///
/// The last key is closed in from both sides first, and only the tokens between are sorted: a sort of
/// the whole vocabulary would take longer than the model.
fn smallest_set<F: Real>(keys: &[F], weights: &[F], mass: f64, least: usize) -> Set<F> {
    let enough = |(reached, count): (f64, usize)| reached >= mass && count >= least;
    let all = (
        weights.iter().map(|weight| weight.double()).sum(),
        keys.len(),
    );
    // All keys up to `low` belong to the set and are not enough; those up to `high` are, or are all.
    let (mut low, mut below) = (F::of(-1.0), (0.0, 0));
    let (mut high, mut up_to) = (F::infinity(), all);
    for cut in [1.0, 4.0, 16.0].map(F::of) {
        let within = within(keys, weights, cut);
        if enough(within) {
            (high, up_to) = (cut, within);
            break;
        }
        (low, below) = (cut, within);
    }
    for _ in 0..HALVINGS {
        let middle = (low + high) / F::of(2.0);
        if up_to.1 - below.1 <= FEW || !middle.is_finite() {
            break;
        }
        let within = within(keys, weights, middle);
        match enough(within) {
            true => (high, up_to) = (middle, within),
            false => (low, below) = (middle, within),
        }
    }

    let mut keep: Vec<bool> = keys.iter().map(|&key| key <= low).collect();
    let mut between: Vec<usize> = (0..keys.len())
        .filter(|&token| keys[token] > low && keys[token] <= high)
        .collect();
    between.sort_by(|&a, &b| {
        let ascending = keys[a].partial_cmp(&keys[b]);
        ascending.unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut last = low;
    for token in between {
        if enough(below) {
            break;
        }
        keep[token] = true;
        last = keys[token];
        below = (below.0 + weights[token].double(), below.1 + 1);
    }
    Set { keep, last }
}

/// The weight of all keys up to `cut` together, and how many they are.
fn within<F: Real>(keys: &[F], weights: &[F], cut: F) -> (f64, usize) {
    // Sums side by side, which a processor adds at once.
    const LANES: usize = 8;
    let mut masses = [0.0; LANES];
    let mut counts = [0; LANES];
    for (keys, weights) in keys.chunks(LANES).zip(weights.chunks(LANES)) {
        for (lane, (&key, &weight)) in keys.iter().zip(weights).enumerate() {
            let inside = key <= cut;
            masses[lane] += if inside { weight.double() } else { 0.0 };
            counts[lane] += usize::from(inside);
        }
    }
    (masses.iter().sum(), counts.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: f32 = f32::NEG_INFINITY;

    /// Logits of these probabilities.
    fn of(probabilities: &[f64]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln() as f32).collect()
    }

    fn kept(scores: &[f32]) -> Vec<usize> {
        (0..scores.len()).filter(|&at| scores[at] != GONE).collect()
    }

    #[test]
    fn a_nucleus_keeps_the_token_that_reaches_the_mass_and_at_least_one() {
        let logits = of(&[0.1, 0.5, 0.3, 0.1, 0.0]);
        let kept = |mass: f32, least: usize| -> Vec<usize> {
            let keep = nucleus(&logits, mass, least);
            (0..5).filter(|&at| keep[at]).collect()
        };
        assert_eq!(kept(0.79, 1), [1, 2]);
        assert_eq!(kept(0.45, 1), [1]);
        assert_eq!(kept(0.0, 1), [1]);
        assert_eq!(kept(0.0, 2), [1, 2]);
        assert_eq!(kept(0.85, 1), [0, 1, 2]);
        assert_eq!(kept(1.0, 1), [0, 1, 2, 3, 4]);
        assert_eq!(kept(0.5, 9), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_nucleus_by_buckets_is_that_of_a_sort() {
        let logits: Vec<f64> = (0u32..3000)
            .map(|token| f64::from(token.wrapping_mul(2_654_435_761) >> 8) * 1.4e-6 - 12.0)
            .collect();
        let probabilities = softmax(&logits);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        for mass in [0.01, 0.3, 0.9, 0.999] {
            let mut want = vec![false; logits.len()];
            let mut before = 0.0;
            for &token in &order {
                want[token] = before < mass;
                before += probabilities[token];
            }
            assert_eq!(nucleus(&logits, mass, 1), want, "{mass}");
        }
    }

    #[test]
    fn top_k_keeps_ties_and_more_than_there_are_is_all() {
        let mut scores = [1.0, 3.0, 2.0, 2.0];
        top_k(&mut scores, 2);
        assert_eq!(scores, [GONE, 3.0, 2.0, 2.0]);
        top_k(&mut scores, 9);
        assert_eq!(scores, [GONE, 3.0, 2.0, 2.0]);
    }

    #[test]
    fn min_p_keeps_the_most_probable_even_at_one() {
        let mut scores = of(&[0.6, 0.31, 0.09]);
        min_p(&mut scores, 0.5);
        assert_eq!(kept(&scores), [0, 1]);
        min_p(&mut scores, 1.0);
        assert_eq!(kept(&scores), [0]);
    }

    #[test]
    fn typical_tokens_may_leave_out_the_most_probable_one() {
        // Entropy 1.4: the surprise of the second group (1.6) is nearer than that of the first (0.6).
        let probabilities = [0.55, 0.2, 0.05, 0.05, 0.05, 0.05, 0.05];
        let mut scores = of(&probabilities);
        typical(&mut scores, 0.15);
        assert_eq!(kept(&scores), [1]);
        let mut all = of(&probabilities);
        all.push(GONE);
        typical(&mut all, 0.99);
        assert_eq!(kept(&all), [0, 1, 2, 3, 4, 5, 6]);
    }
}
