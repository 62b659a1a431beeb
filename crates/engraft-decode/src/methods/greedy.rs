//! Greedy — always the most probable token.
//!
//! # What it does
//! Takes the token with the highest score, as the model gives it.
//!
//! # When to use it, when not
//! As the baseline of every other method, and where the same answer must come every time. Long free
//! texts tend to repeat themselves.
//!
//! # How
//! `argmax z`
//!
//! # Where paper and code differ and which we follow
//! They agree.
//!
//! # Evidence
//! Greedy texts of SmolLM2 equal transformers' in 32-bit floats: `parity/smollm2-135m`; with a
//! repetition penalty `parity/decoding-baselines`, kind `generate`.
//!
//! # Reference
//! Common practice; as in transformers' `generate`.

use clap::Args;
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, Way, logits::argmax,
    processors::Repetition, reference,
};

/// Settings of `greedy`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Greedy {
    #[command(flatten)]
    #[serde(flatten)]
    pub repetition: Repetition,
}

impl DecodeMethod for Greedy {
    const NAME: &'static str = "greedy";
    const CHECKS: &'static [Check] = &[Check {
        slug: "decoding-baselines",
        kind: "generate",
        run: parity_of_answers,
    }];

    fn check(&self) -> Result<(), String> {
        self.repetition.check()
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(Best(self.repetition.clone()))))
    }
}

/// At work on an answer.
struct Best(Repetition);

impl Steering for Best {
    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let probable = argmax(scores);
        self.0.apply(step.tokens, scores);
        let passed_over = argmax(scores) != probable;
        Told {
            source: Some(Source::Model),
            note: passed_over.then(|| "the most probable token was there already".to_owned()),
            ..Told::default()
        }
    }
}

/// The text with a repetition penalty.
fn parity_of_answers(case: &mut Case) -> Result<(), ParityError> {
    let repetition_penalty = case.number("repetition_penalty")? as f32;
    let model = reference::model()?;
    let ids = reference::ids(case, "p0")?;
    let mut way = Way::Steer(Box::new(Best(Repetition {
        repetition_penalty,
        ..Repetition::default()
    })));
    let found = reference::answered(model, &reference::prompt(&ids, None), &mut way, 16)?;
    case.output("rep_penalty_1.2", found.into_iter().map(f64::from));
    Ok(())
}
