//! The standard transforms of logits, in the order in which transformers applies them.

use crate::logits::{Real, softmax};

/// Which tokens belong to the smallest set of the most probable ones with a mass of at least `top_p`;
/// the `least` most probable ones always do. The token that reaches the mass is one of them.
pub fn nucleus<F: Real>(logits: &[F], top_p: F, least: usize) -> Vec<bool> {
    let probabilities = softmax(logits);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| {
        let ascending = logits[a].partial_cmp(&logits[b]);
        ascending.unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut keep = vec![true; logits.len()];
    let mut mass = F::zero();
    for &token in &order[..logits.len().saturating_sub(least)] {
        mass = mass + probabilities[token];
        keep[token] = mass > F::one() - top_p;
    }
    keep
}
