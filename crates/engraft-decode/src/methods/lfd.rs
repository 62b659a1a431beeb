//! LFD — add the vote of the layer that reads the context to that of the last one.
//!
//! # What it does
//! Looks, at every token, for the layer of the latter half in which remembered knowledge changes the
//! prediction least, and adds that layer's early prediction to the final one.
//!
//! # When to use it, when not
//! With a retrieved context that the last layers talk over. Small models predict poorly from early
//! layers: the retrieved answer gains, and so do wrong words. A fixed middle layer did as well on
//! SmolLM2, so compare with one. alpha decides all: at 0.01 the output is destroyed, at 0.9 nothing
//! happens.
//!
//! # How
//! The internal knowledge score of a block is the Jensen-Shannon divergence of the early-exit
//! distributions before and after its MLP. With the lowest-scoring block of the candidates,
//! `score = log p_last + w · log p_block` on tokens at least `alpha` times as probable as the most
//! probable one of the last layer; nothing else can come.
//!
//! Two rows of logits for every candidate make it several times as slow as the plain model where the
//! vocabulary is large: `every` chooses a layer less often, `layer` never does.
//!
//! # Where paper and code differ and which we follow
//! No code was published and only the abstract could be read. The score, the candidates (from the
//! middle to the last but one), alpha and w are ours. `mode hidden` is for another reading of the
//! abstract: it adds the states, not the log-probabilities.
//!
//! # Evidence
//! Parity with the formulas in double precision: `parity/lfd`, kinds `fuse` and `probes`. What it
//! helps and what it hurts: `docs/evidence.md`.
//!
//! # Reference
//! Sun et al. LFD: Layer Fused Decoding to Exploit External Knowledge in Retrieval-Augmented
//! Generation. 2025, arXiv 2508.19614.

mod fusion;
mod layers;
mod probes;
mod steering;

use clap::{Args, ValueEnum};
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Target, Way};

pub use fusion::{divergence, fuse, head, least};
pub use probes::{diff_attn, masked_attention, sim_hidden};

/// What of both layers is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Their log-probabilities.
    #[default]
    Logprob,
    /// Their states, before final norm and head.
    Hidden,
}

/// Settings of `lfd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Lfd {
    /// First candidate layer, counted from 0; the middle of the model unless named.
    #[arg(long)]
    pub from_layer: Option<usize>,
    /// Last candidate layer; the last but one of the model unless named.
    #[arg(long)]
    pub to_layer: Option<usize>,
    /// Always use this layer instead of choosing one.
    #[arg(long)]
    pub layer: Option<usize>,
    /// Tokens at this many times the probability of the last layer's most probable one may come.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    /// Weight of the chosen layer beside the last one; 0 is the last layer alone.
    #[arg(long, default_value_t = Self::default().w)]
    pub w: f32,
    /// Whether log-probabilities or states are added.
    #[arg(long, value_enum, default_value = "logprob")]
    pub mode: Mode,
    /// Score the layers by the tokens that may come alone.
    #[arg(long)]
    pub head_only: bool,
    /// Choose a layer every so many tokens.
    #[arg(long, default_value_t = Self::default().every)]
    pub every: usize,
    /// Divide fused log-probabilities by `1 + w`: added ones are sharper than either, which matters
    /// once tokens are drawn.
    #[arg(long)]
    pub rescale: bool,
}

impl Default for Lfd {
    fn default() -> Self {
        Self {
            from_layer: None,
            to_layer: None,
            layer: None,
            alpha: 0.1,
            w: 1.0,
            mode: Mode::Logprob,
            head_only: false,
            every: 1,
            rescale: false,
        }
    }
}

impl DecodeMethod for Lfd {
    const NAME: &'static str = "lfd";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "lfd",
            kind: "fuse",
            run: fusion::parity,
        },
        Check {
            slug: "lfd",
            kind: "probes",
            run: probes::parity,
        },
        Check {
            slug: "lfd",
            kind: "generate_step",
            run: layers::parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        if !(self.alpha > 0.0 && self.alpha <= 1.0) {
            let alpha = self.alpha;
            return Err(format!(
                "alpha is {alpha}; it must be above 0 and at most 1"
            ));
        }
        if !(self.w.is_finite() && self.w >= 0.0) {
            return Err(format!("w is {}; it must be 0 or more", self.w));
        }
        if self.every == 0 {
            return Err("every is 0; it must be at least 1".to_owned());
        }
        if self.layer.is_some() && (self.from_layer.is_some() || self.to_layer.is_some()) {
            let both = "layer fixes what from_layer and to_layer leave open; name one or the other";
            return Err(both.to_owned());
        }
        Ok(())
    }

    fn start(&self, model: &Target<'_>) -> Result<Way, String> {
        let candidates = self.candidates(model.shape.blocks)?;
        let work = steering::Fused::new(self.clone(), candidates, model.shape.blocks - 1);
        Ok(Way::Steer(Box::new(work)))
    }
}

impl Lfd {
    /// The layers to choose from in a model of so many blocks. The score of the first and the last
    /// block is large by construction, so they never compete.
    fn candidates(&self, blocks: usize) -> Result<Vec<usize>, String> {
        if let Some(layer) = self.layer {
            return match layer + 1 < blocks {
                true => Ok(vec![layer]),
                false => Err(format!(
                    "layer is {layer}; this model has {blocks} layers, and one before the last is meant"
                )),
            };
        }
        let first = self.from_layer.unwrap_or(blocks.div_ceil(2));
        let last = self.to_layer.unwrap_or(blocks.saturating_sub(2));
        match first >= 1 && first <= last && last + 1 < blocks {
            true => Ok((first..=last).collect()),
            false => Err(format!(
                "the candidate layers are {first} to {last}; this model has {blocks} layers, of which \
                 the first and the last cannot be candidates"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latter_half_without_the_last_layer_competes() {
        let candidates = |blocks| Lfd::default().candidates(blocks);
        assert_eq!(candidates(30), Ok((15..=28).collect()));
        assert_eq!(candidates(7), Ok(vec![4, 5]));
        assert!(candidates(2).is_err_and(|sentence| sentence.contains("has 2 layers")));
        assert!(candidates(0).is_err());
    }

    #[test]
    fn the_last_layer_is_never_fused_with_itself() {
        let fixed = |layer| {
            let layer = Some(layer);
            Lfd {
                layer,
                ..Lfd::default()
            }
            .candidates(6)
        };
        assert_eq!(fixed(4), Ok(vec![4]));
        assert!(fixed(5).is_err());
        let to_last = Lfd {
            to_layer: Some(5),
            ..Lfd::default()
        };
        assert!(to_last.candidates(6).is_err());
    }
}
