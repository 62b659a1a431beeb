//! The standard transforms of scores.

mod filters;
mod penalties;

use clap::Args;
use serde::{Deserialize, Serialize};

pub use filters::{min_p, nucleus, temperature, top_k, top_p, typical};
pub use penalties::{no_repeat_ngrams, repetition_penalty};

/// What happens to tokens that were already there. By default nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Repetition {
    /// Makes tokens that were already there (in the prompt too) less likely; 1 is off.
    #[arg(long, default_value_t = Self::default().repetition_penalty)]
    pub repetition_penalty: f32,
    /// No sequence of so many tokens comes twice; 0 is off.
    #[arg(long, default_value_t = Self::default().no_repeat_ngram_size)]
    pub no_repeat_ngram_size: usize,
}

impl Default for Repetition {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
        }
    }
}

impl Repetition {
    /// Whether the settings make sense; one sentence if not.
    pub fn check(&self) -> Result<(), String> {
        positive("repetition_penalty", self.repetition_penalty)
    }

    /// Changes the scores `[vocab]` of the token after `tokens`, prompt included. Scores are logits or
    /// log-probabilities.
    pub fn apply(&self, tokens: &[u32], scores: &mut [f32]) {
        if self.repetition_penalty != 1.0 {
            repetition_penalty(scores, tokens, self.repetition_penalty);
        }
        if self.no_repeat_ngram_size > 0 {
            no_repeat_ngrams(scores, tokens, self.no_repeat_ngram_size);
        }
    }
}

/// Whether a setting is above 0; one sentence if not.
pub(crate) fn positive(name: &str, value: f32) -> Result<(), String> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(format!("{name} is {value}; it must be above 0")),
    }
}

/// Whether a setting lies between 0 and 1; one sentence if not.
pub(crate) fn share(name: &str, value: f32) -> Result<(), String> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} is {value}; it must lie between 0 and 1")),
    }
}
