//! Beam — the most probable whole answer instead of the most probable next token.
//!
//! # What it does
//! Follows several answers at once, extends each by its likeliest tokens and keeps the best, until
//! enough of them have come to an end.
//!
//! # When to use it, when not
//! For short answers with one right form: translations, names, formulas. Long free texts become dull
//! and repetitive. Every beam costs as much as a whole greedy answer, less what one pass shares.
//!
//! # How
//! Beams are extended by `s + ln p(v)`; of the best `2 · num_beams` extensions, ended ones among the
//! first `num_beams` become answers with `s / length^length_penalty` (scores are negative, so a penalty
//! above 0 favours long answers) and the best `num_beams` others go on. With `heuristic` the search
//! ends when the best beam would not beat the worst answer at its present length; with `full` as soon
//! as there are `num_beams` answers; with `never` when it could not beat it at any length.
//!
//! # Where paper and code differ and which we follow
//! There is no one paper. Scores, stopping and the length (generated tokens with the end, without the
//! prompt) are those of transformers 5, whose `early_stopping` false, true and never are `heuristic`,
//! `full` and `never`. Equal scores are kept in the order of beams and tokens. Five beams are common in
//! papers; transformers defaults to one, which is nearly greedy.
//!
//! # Evidence
//! Parity with transformers 5.23: `parity/decoding-baselines`, kind `beam_search`.
//!
//! # Reference
//! Common practice; as in transformers' `generate`.

use clap::{Args, ValueEnum};
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Target, Way};

pub(crate) mod bigram;
mod parity;

/// When a search with enough answers ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EarlyStopping {
    /// When the best beam, were it to end now, would not beat the worst answer.
    #[default]
    Heuristic,
    /// At once.
    Full,
    /// When no beam can beat the worst answer any more.
    Never,
}

/// Settings of `beam`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Beam {
    /// Answers followed side by side, and how many are found at most.
    #[arg(long, default_value_t = Self::default().num_beams)]
    pub num_beams: usize,
    /// Power of the length that divides the scores: 0 compares probabilities, 1 those of a token on
    /// average, more favours long answers.
    #[arg(long, default_value_t = Self::default().length_penalty)]
    pub length_penalty: f64,
    /// When to end once there are as many answers as beams.
    #[arg(long, value_enum, default_value = "heuristic")]
    pub early_stopping: EarlyStopping,
}

impl Default for Beam {
    fn default() -> Self {
        Self {
            num_beams: 5,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::Heuristic,
        }
    }
}

impl Beam {
    /// The score of an answer of `length` tokens with this log-probability.
    pub fn normalised(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / (length as f64).powf(self.length_penalty)
    }

    /// Whether a search that has all its answers ends: the score of the worst of them, and the
    /// log-probability of the best beam, `length` tokens long of at most `limit`.
    pub fn stops(&self, worst: f64, best: f64, length: usize, limit: usize) -> bool {
        match self.early_stopping {
            EarlyStopping::Full => true,
            EarlyStopping::Heuristic => self.normalised(best, length) <= worst,
            EarlyStopping::Never => {
                let longest = if self.length_penalty > 0.0 {
                    limit
                } else {
                    length
                };
                self.normalised(best, longest) <= worst
            }
        }
    }
}

impl DecodeMethod for Beam {
    const NAME: &'static str = "beam";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "decoding-baselines",
            kind: "beam_search",
            run: parity::beam_search,
        },
        Check {
            slug: "decoding-baselines",
            kind: "generate",
            run: parity::answers,
        },
    ];

    fn check(&self) -> Result<(), String> {
        if self.num_beams == 0 {
            return Err("num_beams is 0; it must be 1 or more".to_owned());
        }
        match self.length_penalty.is_finite() {
            true => Ok(()),
            false => Err(format!(
                "length_penalty is {}; it must be a number",
                self.length_penalty
            )),
        }
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Beam(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_never_stops_early_counts_on_the_longest_answer() {
        let beam = |early_stopping, length_penalty| Beam {
            early_stopping,
            length_penalty,
            ..Beam::default()
        };
        let stops = |beam: Beam| beam.stops(-1.0, -4.0, 2, 8);
        assert!(stops(beam(EarlyStopping::Heuristic, 1.0)));
        assert!(stops(beam(EarlyStopping::Full, 1.0)));
        assert!(!stops(beam(EarlyStopping::Never, 1.0)));
        assert!(stops(beam(EarlyStopping::Never, 0.0)));
    }
}
