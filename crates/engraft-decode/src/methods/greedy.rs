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
//! Greedy texts of SmolLM2 equal transformers' in 32-bit floats: `parity/smollm2-135m`.
//!
//! # Reference
//! Common practice; as in transformers' `generate`.

use clap::Args;
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Source, Steering, Step, Target, Told, Way};

/// `greedy` has no settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Greedy {}

impl DecodeMethod for Greedy {
    const NAME: &'static str = "greedy";
    const CHECKS: &'static [Check] = &[];

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(self.clone())))
    }
}

impl Steering for Greedy {
    fn scores(&mut self, _step: &Step<'_>, _scores: &mut [f32]) -> Told {
        Told {
            source: Some(Source::Model),
            ..Told::default()
        }
    }
}
