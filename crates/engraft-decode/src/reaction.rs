//! Whether the answer still listens to a condition: what becomes of its plausible tokens when the
//! condition is taken out of the prompt.

use crate::logits::{Real, argmax, max};

/// The plausible tokens of a prompt, set beside the same prompt without a condition.
#[derive(Clone, Debug)]
pub struct Reaction<F> {
    /// Tokens that are plausible with and without the condition, ascending.
    pub common: Vec<usize>,
    /// Tokens that are plausible only with it, ascending.
    pub escaping: Vec<usize>,
    /// Pointwise mutual information of the condition with the common tokens it makes less likely,
    /// summed, in nats: 0 or less.
    pub s_rpmi: F,
    /// The smallest log-probability that any of those has without the condition.
    pub lowest: Option<F>,
    /// The log-probability from which a token is plausible without the condition.
    pub threshold: F,
}

impl<F: Real> Reaction<F> {
    /// From log-probabilities `[vocab]` with and without the condition. Plausible is what is at least
    /// `alpha` times as probable as the most probable token.
    pub fn of(full: &[F], reduced: &[F], alpha: F) -> Self {
        let least = max(full) + alpha.ln();
        let threshold = max(reduced) + alpha.ln();
        let plausible = (0..full.len()).filter(|&token| full[token] >= least);
        let (common, escaping): (Vec<usize>, Vec<usize>) =
            plausible.partition(|&token| reduced[token] >= threshold);
        let mut s_rpmi = F::zero();
        let mut lowest: Option<F> = None;
        for &token in &common {
            let information = full[token] - reduced[token];
            if information < F::zero() {
                s_rpmi = s_rpmi + information;
                lowest = Some(lowest.map_or(reduced[token], |lowest| lowest.min(reduced[token])));
            }
        }
        Self {
            common,
            escaping,
            s_rpmi,
            lowest,
            threshold,
        }
    }

    /// What an escaping token is taken to have without the condition: a log-probability.
    pub fn floor(&self) -> F {
        self.lowest.unwrap_or(self.threshold)
    }

    /// How far the escaping tokens are above the floor, summed, in nats.
    pub fn escape(&self, full: &[F]) -> F {
        let floor = self.floor();
        self.escaping.iter().map(|&token| full[token] - floor).sum()
    }

    /// How strongly the answer reacts to the condition's absence, in nats: `-S`, and what the escaping
    /// tokens have above the floor. A lone plausible token can only show a reaction by ceasing to be the
    /// first: what it loses then.
    pub fn strength(&self, full: &[F], reduced: &[F]) -> F {
        let graded = self.escape(full).max(F::zero()) - self.s_rpmi;
        match self.common[..] {
            [only] if argmax(reduced) != only => graded.max(full[only] - reduced[only]),
            _ => graded,
        }
    }

    /// Writes the log-probabilities with the condition less `weight` times those without it;
    /// implausible tokens are `-inf`.
    pub fn contrast(&self, full: &[F], reduced: &[F], weight: F, scores: &mut [F]) {
        scores.fill(F::neg_infinity());
        for &token in &self.common {
            scores[token] = full[token] - weight * reduced[token];
        }
        let floor = self.floor();
        for &token in &self.escaping {
            scores[token] = full[token] - weight * floor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logits::log_softmax;

    #[test]
    fn a_token_that_is_impossible_without_the_condition_escapes_with_a_finite_score() {
        let full = log_softmax(&[2.0, 2.0, f64::NEG_INFINITY]);
        let reduced = log_softmax(&[1.0, f64::NEG_INFINITY, f64::NEG_INFINITY]);
        let reaction = Reaction::of(&full, &reduced, 0.01);
        assert_eq!(
            (&reaction.common[..], &reaction.escaping[..]),
            (&[0][..], &[1][..])
        );
        let mut scores = [0.0; 3];
        reaction.contrast(&full, &reduced, 1.0, &mut scores);
        assert!(scores[1].is_finite());
        assert_eq!(scores[2], f64::NEG_INFINITY);
    }

    #[test]
    fn where_the_condition_changes_nothing_there_is_no_reaction() {
        let full = log_softmax(&[3.0, 2.0, 1.0, -20.0]);
        let reaction = Reaction::of(&full, &full, 0.01);
        assert_eq!(reaction.s_rpmi, 0.0);
        assert_eq!(reaction.lowest, None);
        assert_eq!(reaction.floor(), full[0] + 0.01f64.ln());
        assert_eq!(reaction.escape(&full), 0.0);
        assert_eq!(reaction.strength(&full, &full), 0.0);
    }

    #[test]
    fn the_strength_grows_with_what_escapes_and_with_what_a_lone_token_loses() {
        let strength = |full: [f64; 3], reduced: [f64; 3]| {
            let (full, reduced) = (log_softmax(&full), log_softmax(&reduced));
            Reaction::of(&full, &reduced, 0.01).strength(&full, &reduced)
        };
        let likely = strength([2.0, 1.0, -30.0], [2.0, -30.0, -30.0]);
        let unlikely = strength([2.0, -2.0, -30.0], [2.0, -30.0, -30.0]);
        assert!(likely > unlikely && unlikely > 0.0, "{likely} {unlikely}");
        let overtaken = strength([9.0, 0.0, 0.0], [9.0, 9.5, 0.0]);
        assert!(overtaken > 0.5, "{overtaken}");
        assert_eq!(strength([9.0, 0.0, 0.0], [9.5, 0.0, 9.0]), 0.0);
    }

    #[test]
    fn one_plausible_token_wins_whatever_the_contrast() {
        let full = log_softmax(&[30.0, 0.0, 1.0]);
        let reduced = log_softmax(&[0.0, 30.0, 1.0]);
        let reaction = Reaction::of(&full, &reduced, 0.01);
        let mut scores = [0.0; 3];
        reaction.contrast(&full, &reduced, 1.0, &mut scores);
        assert_eq!(crate::logits::argmax(&scores), 0);
    }
}
