//! Which layers read a fact in the prompt, seen by taking the fact away.

use engraft_method::parity::{Case, ParityError};

use super::divergence;
use crate::logits::{Real, softmax};

/// Cosine of each layer's MLP output at the last prompt token with and without the fact, from
/// `[layers, width]` each. Low: the layer uses the fact. 0 for a vector of length 0.
pub fn sim_hidden<F: Real>(with: &[F], without: &[F], width: usize) -> Vec<F> {
    let product = |a: &[F], b: &[F]| -> F { a.iter().zip(b).map(|(&a, &b)| a * b).sum() };
    with.chunks(width)
        .zip(without.chunks(width))
        .map(|(a, b)| {
            let lengths = (product(a, a) * product(b, b)).sqrt();
            match lengths > F::zero() {
                true => product(a, b) / lengths,
                false => F::zero(),
            }
        })
        .collect()
}

/// Attention scores of one head in which the tokens of `span` are out of reach.
pub fn masked_attention<F: Real>(scores: &[F], span: &[bool]) -> Vec<F> {
    let tokens = scores.iter().zip(span);
    tokens
        .map(|(&score, &hidden)| if hidden { F::neg_infinity() } else { score })
        .collect()
}

/// Jensen-Shannon divergence in nats of each layer's attention with the fact in and out of reach, the
/// mean over `heads`, from pre-softmax scores `[layers, heads, tokens]` of the last token. High: the
/// layer reads the fact. The fact is not the whole prompt.
pub fn diff_attn<F: Real>(scores: &[F], heads: usize, span: &[bool]) -> Vec<F> {
    scores
        .chunks(heads * span.len())
        .map(|layer| {
            let divergences = layer
                .chunks(span.len())
                .map(|head| divergence(head, &masked_attention(head, span)));
            divergences.sum::<F>() / F::of(heads as f64)
        })
        .collect()
}

pub(super) fn parity(case: &mut Case) -> Result<(), ParityError> {
    let with = case.input("h")?;
    let [_, width] = with.rows();
    let similarity = sim_hidden(&with.values, &case.input("h_removed")?.values, width);
    let scores = case.input("attn_scores")?;
    let [_, heads, tokens] = scores.shape[..] else {
        let shape = &scores.shape;
        return Err(ParityError::Computation(format!(
            "attn_scores has shape {shape:?}, not layers, heads and tokens"
        )));
    };
    let span: Vec<bool> = case
        .input("key_span")?
        .i64()
        .iter()
        .map(|&x| x == 1)
        .collect();
    let difference = diff_attn(&scores.values, heads, &span);
    let rows = || scores.values.chunks(tokens);
    let attention: Vec<f64> = rows().flat_map(softmax).collect();
    let masked: Vec<f64> = rows()
        .flat_map(|row| softmax(&masked_attention(row, &span)))
        .collect();
    case.output("attn", attention);
    case.output("attn_masked", masked);
    case.output("sim_hidden", similarity);
    case.output("diff_attn", difference);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_ignores_the_fact_does_not_stand_out() {
        let span = [false, true, false];
        let reads = [0.0, 50.0, 0.0];
        let ignores = [0.0, -50.0, 0.0];
        let layers = [reads, reads, ignores, ignores].concat();
        let difference = diff_attn::<f64>(&layers, 2, &span);
        assert!((difference[0] - 2.0f64.ln()).abs() < 1e-9);
        assert!(difference[1] < 1e-9);
    }

    #[test]
    fn a_silent_layer_has_similarity_0() {
        let with = [1.0, 0.0, 0.0, 0.0];
        let without = [2.0, 0.0, 0.0, 1.0];
        assert_eq!(sim_hidden(&with, &without, 2), [1.0, 0.0]);
    }
}
