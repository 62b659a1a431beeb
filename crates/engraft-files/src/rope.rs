//! Rotary positions: how fast the pairs of a head turn, plain or stretched for longer texts.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::config::{SpecError, above_zero, wrong};

/// How a model stretches its rotary positions beyond the texts that it was first trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// Llama 3.1: slow pairs turn `factor` times slower, fast pairs as before, those between in between.
    Llama3 {
        factor: f64,
        /// Pairs that turn less often over the original context are slow.
        low_freq_factor: f64,
        /// Pairs that turn more often over it are fast.
        high_freq_factor: f64,
        /// Positions of the original context.
        original_max_position_embeddings: usize,
    },
}

impl RopeScaling {
    /// What `rope_scaling` or `rope_parameters` of a `config.json` says; `None` where positions are plain.
    ///
    /// # Errors
    /// A kind that is not computed here, or one with keys missing.
    pub(crate) fn of_config(key: &str, rope: &Json) -> Result<Option<Self>, SpecError> {
        // Older files call the kind `type`.
        let kind = rope.get("rope_type").or_else(|| rope.get("type"));
        match kind.and_then(Json::as_str).unwrap_or("default") {
            "default" => Ok(None),
            "llama3" => {
                let mut rope = rope.clone();
                rope["rope_type"] = "llama3".into();
                let scaling = serde_json::from_value(rope);
                scaling.map_err(|error| SpecError::Config(format!("{key}: {error}")))
            }
            other => Err(SpecError::Config(format!(
                "{key} of type `{other}` is not supported; known are default and llama3"
            ))),
        }
    }

    /// Whether the numbers give frequencies.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let Self::Llama3 {
            factor,
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings: original,
        } = *self;
        above_zero("rope_scaling.factor", factor)?;
        above_zero("rope_scaling.low_freq_factor", low)?;
        above_zero("rope_scaling.high_freq_factor", high)?;
        match (original, high > low) {
            (0, _) => Err(wrong(
                "rope_scaling.original_max_position_embeddings",
                original,
                "must be 1 or more",
            )),
            (_, false) => Err(wrong(
                "rope_scaling.high_freq_factor",
                high,
                format!("must be above low_freq_factor, {low}"),
            )),
            _ => Ok(()),
        }
    }

    /// The frequency that a plain one becomes (`_compute_llama3_parameters` of transformers).
    fn scaled(&self, frequency: f64) -> f64 {
        let Self::Llama3 {
            factor,
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings: original,
        } = *self;
        let turns = original as f64 * frequency / std::f64::consts::TAU;
        let fast = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        frequency * (fast + (1.0 - fast) / factor)
    }
}

/// How far each pair of a head of this width turns from one position to the next, in radians,
/// `[head_width / 2]`.
pub(crate) fn frequencies(
    head_width: usize,
    theta: f64,
    scaling: Option<&RopeScaling>,
) -> Vec<f64> {
    let plain = |pair: usize| theta.powf(-2.0 * pair as f64 / head_width as f64);
    let scaled = |frequency| scaling.map_or(frequency, |scaling| scaling.scaled(frequency));
    (0..head_width / 2).map(plain).map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_pairs_are_stretched_and_fast_ones_kept() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let plain = frequencies(64, 5e5, None);
        let found = frequencies(64, 5e5, Some(&scaling));
        let ratio: Vec<f64> = plain.iter().zip(&found).map(|(p, f)| p / f).collect();
        assert_eq!((ratio[0], ratio[31]), (1.0, 8.0));
        assert!(ratio.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(ratio.iter().any(|&ratio| ratio > 1.1 && ratio < 7.9));
    }
}
