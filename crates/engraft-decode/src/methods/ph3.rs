//! PH3 — switches off the heads that take the wrong side between memory and context.
//!
//! # What it does
//! Where the context contradicts what the model memorised, some heads copy the context's answer and
//! others recall the memorised one. Path patching finds them on a few conflict prompts; then one group
//! is silenced, and the weights stay as they are.
//!
//! # When to use it, when not
//! Silence memory heads to obey a context, context heads to obey memory. Silence memory heads only
//! while there is a context: without one, the model knows less with every head. Heads that serve one
//! relation and template may serve the other side elsewhere, so choose `k` on prompts of your own; many
//! heads hurt more than they help.
//!
//! # How
//! Two runs, of a conflict prompt and of one about other things, keep what every head gives at the last
//! position. Then, for each head, the last position is computed again with that head's output exchanged
//! and all others as they were. The head's score is by how much that moves
//! `logit(memory's answer) - logit(context's answer)`, as a mean over prompts: above 0 it carried the
//! context, below 0 memory. `prune` names a file of such scores, `side` the group whose `k` strongest
//! heads give 0 at all positions.
//!
//! # Where paper and code differ and which we follow
//! Neither the paper's text nor its code could be read in full. That heads are found by path patching
//! and set to 0 is from the abstract and summaries; the direct path at the last position and the
//! difference of logits are ours. Probabilities rank context heads differently and are there for
//! comparison. The grid 1, 3, 5, 7, 9, 15 of `k` comes from a later paper's baseline.
//!
//! # Evidence
//! Parity with the formulas in double precision: `parity/ph3`, kind `path_patch`;
//! on real weights kind `score_heads`. Measured beside every
//! other method: `docs/evidence.md`.
//!
//! # Reference
//! Jin et al. Cutting Off the Head Ends the Conflict: A Mechanism for Interpreting and Mitigating
//! Knowledge Conflicts in Language Models. Findings of ACL 2024, arXiv 2402.18154.

mod check;
mod patching;

use std::path::Path;

use clap::{Args, ValueEnum};
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Steering, Step, Target, Told, Way, heads::HeadScores};

pub use patching::{Conflict, Measure, score_heads};

/// The heads that are silenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Those that recall, so that the context is obeyed.
    #[default]
    Memory,
    /// Those that copy, so that memory is obeyed.
    Context,
}

/// Settings of `ph3`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Ph3 {
    /// File of the scores of the model's heads.
    #[arg(long, default_value_t = Self::default().prune)]
    pub prune: String,
    /// The heads that are silenced: those of memory or those of the context.
    #[arg(long, value_enum, default_value = "memory")]
    pub side: Side,
    /// How many of them.
    #[arg(long, default_value_t = Self::default().k)]
    pub k: usize,
}

impl Default for Ph3 {
    fn default() -> Self {
        Self {
            prune: String::new(),
            side: Side::Memory,
            k: 3,
        }
    }
}

impl DecodeMethod for Ph3 {
    const NAME: &'static str = "ph3";
    const FILES: &'static [&'static str] = &["prune"];
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "ph3",
            kind: "path_patch",
            run: check::path_patch,
        },
        Check {
            slug: "ph3",
            kind: "score_heads",
            run: check::score_heads,
        },
    ];

    fn start(&self, model: &Target<'_>) -> Result<Way, String> {
        if self.prune.is_empty() {
            return Err("`prune` names no file; give the scores of the model's heads".to_owned());
        }
        let scores = HeadScores::read(Path::new(&self.prune)).map_err(|error| error.to_string())?;
        let foreign = |error| format!("{}: {error}", self.prune);
        scores.fit(model.shape).map_err(foreign)?;
        scores
            .are_of(&(model.reader)()?.model_hash)
            .map_err(foreign)?;
        Ok(silenced(self.heads(&scores)))
    }
}

impl Ph3 {
    /// The heads (block, head) to silence.
    pub fn heads(&self, scores: &HeadScores) -> Vec<(usize, usize)> {
        match self.side {
            Side::Memory => scores.of_memory(self.k),
            Side::Context => scores.of_context(self.k),
        }
    }
}

/// Decoding with these heads (block, head) giving 0.
pub fn silenced(heads: Vec<(usize, usize)>) -> Way {
    Way::Steer(Box::new(Silenced { heads }))
}

/// At work on an answer.
struct Silenced {
    heads: Vec<(usize, usize)>,
}

impl Steering for Silenced {
    fn silenced(&self) -> &[(usize, usize)] {
        &self.heads
    }

    fn scores(&mut self, _step: &Step<'_>, _scores: &mut [f32]) -> Told {
        Told {
            numbers: vec![("silenced heads", self.heads.len() as f64)],
            ..Told::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ph3_silences_the_side_it_is_told() {
        let scores = HeadScores::new(String::new(), 2, &[-3.0, 1.0, 2.0, -0.5]);
        let heads = |side, k| {
            let settings = Ph3 {
                side,
                k,
                ..Ph3::default()
            };
            settings.heads(&scores)
        };
        assert_eq!(heads(Side::Memory, 2), [(0, 0), (1, 1)]);
        assert_eq!(heads(Side::Context, 1), [(1, 0)]);
        assert!(heads(Side::Context, 0).is_empty());
    }
}
