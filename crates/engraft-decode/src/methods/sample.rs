//! Sample — draws the next token by its probability, from what is likely enough.
//!
//! # What it does
//! Draws tokens instead of taking the most probable one, after the unlikely ones have been removed.
//!
//! # When to use it, when not
//! For varied free texts. Not for facts: a drawn answer is wrong as often as its probability says.
//!
//! # How
//! `z / temperature`, then, as far as they are on and in this order: the `top_k` largest; the fewest
//! tokens with a mass of `top_p`; those at least `min_p` times as probable as the first; those of mass
//! `typical_p` whose surprise is nearest to the entropy. One draw from the softmax of what is left.
//!
//! # Where paper and code differ and which we follow
//! Several rules have papers of their own; all follow the code of transformers, also where scores are
//! equal: top-k keeps all that equal the last, top-p keeps the token that reaches the mass. Random
//! draws are our own; the distribution drawn from is the same.
//!
//! # Evidence
//! Parity with transformers 5.23: `parity/decoding-baselines`, kind `processors`.
//!
//! # Reference
//! Fan et al. 2018, arXiv 1805.04833 (top-k). Holtzman et al. ICLR 2020, arXiv 1904.09751 (top-p).
//! Nguyen et al. ICLR 2025, arXiv 2407.01082 (min-p). Meister et al. TACL 2023, arXiv 2202.00666
//! (typical).

use clap::Args;
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, Way,
    logits::argmax,
    processors::{Repetition, min_p, positive, share, temperature, top_k, top_p, typical},
};

mod parity;

/// Settings of `sample`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Sample {
    #[command(flatten)]
    #[serde(flatten)]
    pub repetition: Repetition,
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

impl Default for Sample {
    fn default() -> Self {
        Self {
            repetition: Repetition::default(),
            temperature: 1.0,
            top_k: 50,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
        }
    }
}

impl Sample {
    /// Changes the scores `[vocab]` of the token after `tokens`, in the order of transformers.
    fn apply(&self, tokens: &[u32], scores: &mut [f32]) {
        self.repetition.apply(tokens, scores);
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

impl DecodeMethod for Sample {
    const NAME: &'static str = "sample";
    const CHECKS: &'static [Check] = &[Check {
        slug: "decoding-baselines",
        kind: "processors",
        run: parity::processors,
    }];

    fn check(&self) -> Result<(), String> {
        self.repetition.check()?;
        positive("temperature", self.temperature)?;
        share("top_p", self.top_p)?;
        share("min_p", self.min_p)?;
        positive("typical_p", self.typical_p)?;
        share("typical_p", self.typical_p)
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(self.clone())))
    }
}

impl Steering for Sample {
    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let probable = argmax(scores);
        self.apply(step.tokens, scores);
        Told {
            source: Some(Source::Model),
            numbers: vec![(
                "tokens to draw from",
                scores.iter().filter(|score| score.is_finite()).count() as f64,
            )],
            note: (!scores[probable].is_finite())
                .then(|| "the most probable token is not among them".to_owned()),
            ..Told::default()
        }
    }

    fn draws(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logits::softmax;

    fn probabilities(sample: &Sample) -> Vec<f32> {
        let logits = [1.0, 3.0, 2.5, f32::NEG_INFINITY];
        let mut scores = logits;
        let mut sampling = sample.clone();
        assert!(sampling.draws());
        let step = Step {
            logits: &[&logits],
            tokens: &[1],
            prompt: 1,
            states: &[],
            lens: &|_| Vec::new(),
            head: &|_| Vec::new(),
        };
        sampling.scores(&step, &mut scores);
        softmax(&scores)
    }

    #[test]
    fn one_token_to_draw_from_and_no_heat_are_greedy() {
        let greedy = [0.0, 1.0, 0.0, 0.0];
        let top = Sample {
            top_k: 1,
            ..Sample::default()
        };
        let cold = Sample {
            temperature: 1e-3,
            ..Sample::default()
        };
        assert_eq!(probabilities(&top), greedy);
        assert_eq!(probabilities(&cold), greedy);
        assert!(probabilities(&Sample::default())[2] > 0.1);
    }

    #[test]
    fn samples_that_are_off_change_nothing_and_what_makes_no_sense_is_refused() {
        let off = Sample {
            top_k: 0,
            ..Sample::default()
        };
        let scores = [1.0, f32::NEG_INFINITY, -3.0];
        let mut same = scores;
        off.apply(&[0, 2], &mut same);
        assert_eq!(same, scores);
        let of = |change: fn(&mut Sample)| {
            let mut sample = Sample::default();
            change(&mut sample);
            sample.check()
        };
        assert!(of(|_| ()).is_ok());
        assert!(of(|sample| sample.temperature = 0.0).is_err());
        assert!(of(|sample| sample.repetition.repetition_penalty = f32::NAN).is_err());
        assert!(of(|sample| sample.top_p = 1.5).is_err());
        assert!(of(|sample| sample.typical_p = 0.0).is_err());
    }
}
