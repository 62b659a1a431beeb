//! The standard transforms of scores, in the order in which transformers applies them.

mod filters;
mod penalties;

use clap::Args;
use serde::{Deserialize, Serialize};

pub use filters::{min_p, nucleus, temperature, top_k, top_p, typical};
pub use penalties::{no_repeat_ngrams, repetition_penalty};

/// Which transforms are on. By default none is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Processors {
    /// Makes tokens that were already there (in the prompt too) less likely; 1 is off.
    #[arg(long, default_value_t = Self::default().repetition_penalty)]
    pub repetition_penalty: f32,
    /// No sequence of so many tokens comes twice; 0 is off.
    #[arg(long, default_value_t = Self::default().no_repeat_ngram_size)]
    pub no_repeat_ngram_size: usize,
    /// Divides the scores before drawing: below 1 safer, above 1 more surprising.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Draws from so many most probable tokens only; 0 is off.
    #[arg(long, default_value_t = Self::default().top_k)]
    pub top_k: usize,
    /// Draws from the fewest most probable tokens that have this mass together; 1 is off.
    #[arg(long, default_value_t = Self::default().top_p)]
    pub top_p: f32,
    /// Draws from tokens that are at least so many times as probable as the most probable; 0 is off.
    #[arg(long, default_value_t = Self::default().min_p)]
    pub min_p: f32,
    /// Draws from the tokens of this mass whose surprise is nearest to the expected one; 1 is off.
    #[arg(long, default_value_t = Self::default().typical_p)]
    pub typical_p: f32,
}

impl Default for Processors {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
        }
    }
}

impl Processors {
    /// Whether the settings make sense; one sentence if not.
    pub fn check(&self) -> Result<(), String> {
        let positive = |name: &str, value: f32| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(format!("{name} is {value}; it must be above 0")),
        };
        let share = |name: &str, value: f32| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} is {value}; it must lie between 0 and 1")),
        };
        positive("repetition_penalty", self.repetition_penalty)?;
        positive("temperature", self.temperature)?;
        share("top_p", self.top_p)?;
        share("min_p", self.min_p)?;
        positive("typical_p", self.typical_p)?;
        share("typical_p", self.typical_p)
    }

    /// Changes the scores `[vocab]` of the token after `tokens`, prompt included. Scores are logits or
    /// log-probabilities. What narrows a draw counts only when `sampling`.
    pub fn apply(&self, tokens: &[u32], scores: &mut [f32], sampling: bool) {
        if self.repetition_penalty != 1.0 {
            repetition_penalty(scores, tokens, self.repetition_penalty);
        }
        if self.no_repeat_ngram_size > 0 {
            no_repeat_ngrams(scores, tokens, self.no_repeat_ngram_size);
        }
        if sampling {
            self.warp(scores);
        }
    }

    fn warp(&self, scores: &mut [f32]) {
        if self.temperature != 1.0 {
            temperature(scores, self.temperature);
        }
        if self.top_k > 0 {
            top_k(scores, self.top_k);
        }
        if self.top_p < 1.0 {
            top_p(scores, self.top_p);
        }
        if self.min_p > 0.0 {
            min_p(scores, self.min_p);
        }
        if self.typical_p < 1.0 {
            typical(scores, self.typical_p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_that_are_off_change_nothing_and_warpers_wait_for_sampling() {
        let scores = [1.0, f32::NEG_INFINITY, -3.0];
        let mut off = scores;
        Processors::default().apply(&[0, 2], &mut off, true);
        assert_eq!(off, scores);

        let narrow = Processors {
            temperature: 0.5,
            top_k: 1,
            ..Processors::default()
        };
        let mut greedy = scores;
        narrow.apply(&[0], &mut greedy, false);
        assert_eq!(greedy, scores);
        let mut sampled = scores;
        narrow.apply(&[0], &mut sampled, true);
        assert_eq!(sampled, [2.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
    }

    #[test]
    fn processors_reject_what_makes_no_sense() {
        let of = |change: fn(&mut Processors)| {
            let mut processors = Processors::default();
            change(&mut processors);
            processors.check()
        };
        assert!(of(|_| ()).is_ok());
        assert!(of(|p| p.temperature = 0.0).is_err());
        assert!(of(|p| p.repetition_penalty = f32::NAN).is_err());
        assert!(of(|p| p.top_p = 1.5).is_err());
        assert!(of(|p| p.typical_p = 0.0).is_err());
    }
}
