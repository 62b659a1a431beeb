//! OPERA — beam search that distrusts tokens all others look at, and can go back and choose again.
//!
//! # What it does
//! In long answers a model may let every new token attend to one earlier token that says nothing, a
//! full stop for example; from there on the answer runs by itself and away from the documents. This
//! search charges each candidate for the strongest such column, and when one column stays the
//! strongest for long in all beams, it goes back to just after it and forbids what was chosen there.
//!
//! # When to use it, when not
//! For long answers that should stay with documents of the prompt. Not for short ones: they never see
//! the penalty. It costs a token's pass for every candidate of every beam. The weight has no natural
//! scale, and the scaling of attention must be retuned for long prompts.
//!
//! # How
//! Attention is that of the last block, the maximum over its heads, each row divided by its sum. Column
//! `j` of the answer has the strength `1e-7 · prod (sigma · a_ij)` over all rows `i` from `j` to the
//! candidate. A candidate's logit is lowered by `alpha` times its strongest column; up to ten tokens it
//! is raised by its attention to the trusted span instead. Tokens that are no candidates stand at -999.
//! If in every beam the same column was the strongest more than `r` times, from the eleventh token on,
//! the search returns to the place after it, at most as often as there are candidates (then to the
//! place before).
//!
//! # Where paper and code differ and which we follow
//! The paper multiplies over a window and without the factor 1e-7; the code over the whole answer, ours
//! too. The code's `>` is the paper's `>=`. The switch at ten tokens and the one that keeps returns out
//! of the first ten are only in the code. The code stores strengths in half precision, where they
//! overflow to infinity and underflow to 0; ours are logarithms, clamped at 50. Large penalties of the
//! code bring all candidates below -999, and tokens that are none win; ours charges candidates only by
//! what they differ. `half_precision` brings the code's back. Errors inside the code's return are swallowed and count as no return; here
//! a return whose state is gone does not begin. Bans of places that were given up stay, as in the code,
//! but for the place right after.
//!
//! # Evidence
//! Parity with the official code: `parity/opera`, kinds `penalty` and `search`.
//!
//! # Reference
//! Huang et al. OPERA: Alleviating Hallucination in Multi-Modal Large Language Models via Over-Trust
//! Penalty and Retrospection-Allocation. CVPR 2024, arXiv 2311.17911.

mod check;
mod columns;
mod hypotheses;
mod past;
mod rows;
mod scores;
mod search;
mod task;
mod toy;

use clap::Args;
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Target, Way};

pub use hypotheses::{Hypothesis, Said};
pub use search::search;
pub use task::{Found, OperaError, Rollback, Task};

/// Settings of `opera`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Opera {
    /// Answers followed side by side.
    #[arg(long, default_value_t = Self::default().num_beams)]
    pub num_beams: usize,
    /// Tokens of each beam that are read before one is chosen; also how often a place is returned to.
    #[arg(long, default_value_t = Self::default().num_attn_candidates)]
    pub num_attn_candidates: usize,
    /// Multiplies attention before columns are multiplied up (sigma); 40 to 60 works.
    #[arg(long, default_value_t = Self::default().scale_factor)]
    pub scale_factor: f32,
    /// Weight of the penalty (alpha); 0 only searches and returns.
    #[arg(long, default_value_t = Self::default().penalty_weight)]
    pub penalty_weight: f32,
    /// The search returns when a column was the strongest more often than this (r).
    #[arg(long, default_value_t = Self::default().threshold)]
    pub threshold: usize,
    /// Power of the length that divides the log-probability of an answer.
    #[arg(long, default_value_t = Self::default().length_penalty)]
    pub length_penalty: f32,
    /// End as soon as there are as many answers as beams.
    #[arg(long)]
    pub early_stopping: bool,
    /// States that are kept to return to.
    #[arg(long, default_value_t = Self::default().window_size)]
    pub window_size: usize,
    /// Multiplies the strength of every column.
    #[arg(long, default_value_t = Self::default().factor)]
    pub factor: f32,
    /// Largest logarithm of a penalty.
    #[arg(long, default_value_t = Self::default().clamp)]
    pub clamp: f32,
    /// Keep strengths in half precision, as the official code does, instead of clamping them.
    #[arg(long)]
    pub half_precision: bool,
}

impl Default for Opera {
    fn default() -> Self {
        Self {
            num_beams: 5,
            num_attn_candidates: 5,
            scale_factor: 50.0,
            penalty_weight: 1.0,
            threshold: 15,
            length_penalty: 1.0,
            early_stopping: false,
            window_size: 512,
            factor: 1e-7,
            clamp: 50.0,
            half_precision: false,
        }
    }
}

impl DecodeMethod for Opera {
    const NAME: &'static str = "opera";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "opera",
            kind: "penalty",
            run: check::penalty,
        },
        Check {
            slug: "opera",
            kind: "search",
            run: check::search_with_rollback,
        },
    ];

    fn check(&self) -> Result<(), String> {
        if self.num_beams < 2 {
            let beams = self.num_beams;
            return Err(format!("num_beams is {beams}; at least 2 are compared"));
        }
        if self.num_attn_candidates < 2 {
            let candidates = self.num_attn_candidates;
            return Err(format!(
                "num_attn_candidates is {candidates}; at least 2 are compared"
            ));
        }
        if self.window_size < 2 {
            let window = self.window_size;
            return Err(format!("window_size is {window}; it must be 2 or more"));
        }
        for (name, number) in [("scale_factor", self.scale_factor), ("factor", self.factor)] {
            if !(number.is_finite() && number > 0.0) {
                return Err(format!("{name} is {number}; it must be above 0"));
            }
        }
        if !(self.penalty_weight.is_finite() && self.penalty_weight >= 0.0) {
            let weight = self.penalty_weight;
            return Err(format!("penalty_weight is {weight}; it must be 0 or more"));
        }
        if !self.length_penalty.is_finite() {
            let penalty = self.length_penalty;
            return Err(format!("length_penalty is {penalty}; it must be a number"));
        }
        // Above it, the exponential no longer is a number of 32 bits.
        if self.clamp.is_nan() || self.clamp > 80.0 {
            let clamp = self.clamp;
            return Err(format!("clamp is {clamp}; it must be 80 or less"));
        }
        Ok(())
    }

    fn start(&self, model: &Target<'_>) -> Result<Way, String> {
        match model.shape.blocks {
            0 => Err("the model has no attention, which this method reads".to_owned()),
            _ => Ok(Way::Opera(self.clone())),
        }
    }
}
