//! CK-PLUG — one dial between what the model remembers and what the context says.
//!
//! # What it does
//! Compares, token by token, how sure the model is with and without its context. Where the context
//! does not make it surer the token counts as a conflict, and its scores are rebuilt from a part of
//! memory and a part of the context.
//!
//! # When to use it, when not
//! When you want to say how much the context counts: alpha 0 obeys it, 0.5 leaves the order of the
//! tokens as it is, 1 obeys memory. At 0 implausible tokens may win, so answers that match neither
//! have to be counted too. The effect depends on the wording of the prompt: try several.
//!
//! # How
//! Tokens that both prompts find implausible go. With the entropies `H` of what is left, a conflict is
//! `H_question - H_context < kappa · H_context`; then
//! `score = alpha · z_question + (1 - alpha) · (z_context - z_question)`. An adaptive rule takes both
//! weights from the entropies instead of alpha.
//!
//! # Where paper and code differ and which we follow
//! The conflict test of the paper's text is kappa 0; its appendix has a negative coefficient which can
//! never hold; the code computes kappa 1, ours too. The paper's adaptive rule is
//! `alpha = H_context / (H_question + H_context)`, the code's has other weights: both are here. The
//! paper ranks the plausible tokens of memory and of the context's part, the code those of both
//! prompts; ours are the code's.
//!
//! # Evidence
//! Parity with the official code: `parity/ck-plug`, kind `fuse`. What it
//! helps and what it hurts: `docs/evidence.md`.
//!
//! # Reference
//! Bi et al. Parameters vs. Context: Fine-Grained Control of Knowledge Reliance in Language Models.
//! 2025, arXiv 2503.15888.

mod answers;
mod fusion;

use clap::{Args, ValueEnum};
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Source, Steering, Step, Target, Told, View, Way, logits::argmax};

pub use fusion::{Conflict, Weights};

/// Whether the weights of memory and context follow from the entropies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Adaptive {
    /// They follow from alpha.
    #[default]
    Off,
    /// As the official code computes them.
    Code,
    /// As the paper writes them.
    Paper,
}

/// Settings of `ck-plug`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct CkPlug {
    /// Weight of memory in a conflict: 0 obeys the context, 1 memory.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    /// Take the weights from the entropies instead of alpha, by the rule of the code or of the paper.
    #[arg(long, value_enum, default_value = "off")]
    pub adaptive: Adaptive,
    /// So many of the most probable tokens of each prompt always stay.
    #[arg(long, default_value_t = Self::default().top_k)]
    pub top_k: usize,
    /// Beyond those, tokens stay that are at least this many times as probable as the most probable.
    #[arg(long, default_value_t = Self::default().relative_top)]
    pub relative_top: f32,
    /// A conflict is a gain in confidence below this many times the entropy with context: 1 is the
    /// code's, 0 the paper's.
    #[arg(long, default_value_t = Self::default().kappa)]
    pub kappa: f32,
    /// Added to a probability before its logarithm, in the entropies.
    #[arg(long, default_value_t = Self::default().entropy_eps)]
    pub entropy_eps: f32,
}

impl Default for CkPlug {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            adaptive: Adaptive::Off,
            top_k: 10,
            relative_top: 0.01,
            kappa: 1.0,
            entropy_eps: 1e-9,
        }
    }
}

impl CkPlug {
    /// The weights of memory and of the context's part in a conflict.
    pub fn weights(&self, conflict: &Conflict) -> Weights {
        match self.adaptive {
            Adaptive::Off => Weights::fixed(self.alpha),
            Adaptive::Code => conflict.weights_of_code(),
            Adaptive::Paper => conflict.weights_of_paper(),
        }
    }
}

impl DecodeMethod for CkPlug {
    const NAME: &'static str = "ck-plug";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "ck-plug",
            kind: "fuse",
            run: parity,
        },
        Check {
            slug: "ck-plug",
            kind: "generate",
            run: answers::parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(format!("alpha is {}; it must be from 0 to 1", self.alpha));
        }
        if self.top_k == 0 {
            return Err("top_k is 0; at least one token must stay".to_owned());
        }
        if !(self.relative_top > 0.0 && self.relative_top <= 1.0) {
            let relative = self.relative_top;
            return Err(format!(
                "relative_top is {relative}; it must be above 0 and at most 1"
            ));
        }
        if !self.kappa.is_finite() {
            return Err(format!("kappa is {}; it must be a number", self.kappa));
        }
        if !(self.entropy_eps >= 0.0 && self.entropy_eps < 1.0) {
            let eps = self.entropy_eps;
            return Err(format!(
                "entropy_eps is {eps}; it must be from 0 to below 1"
            ));
        }
        Ok(())
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(self.clone())))
    }
}

impl Steering for CkPlug {
    fn views(&self) -> Vec<View> {
        vec![View::Full, View::NoContext]
    }

    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let [context, question] = step.logits else {
            return Told::default();
        };
        let conflict = Conflict::between(self, context, question);
        let weights = conflict.found.then(|| self.weights(&conflict));
        conflict.write(weights, context, question, scores);
        Told {
            source: Some(Source::of(scores, context, question)),
            numbers: vec![
                ("confidence gain", conflict.gain().into()),
                ("entropy with context", conflict.entropy_context.into()),
                ("entropy without context", conflict.entropy_question.into()),
            ],
            note: conflict.found.then(|| "conflict".to_owned()),
            ..Told::default()
        }
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let settings = CkPlug {
        top_k: case.number("select_top")? as usize,
        relative_top: case.number("relative_top")? as f32,
        kappa: -case.number("e")? as f32,
        entropy_eps: case.number("entropy_eps")? as f32,
        ..CkPlug::default()
    };
    let context = case.input("ctx_logits")?.f32();
    let question = case.input("par_logits")?.f32();
    let conflict = Conflict::between(&settings, &context, &question);
    let scores = |settings: &CkPlug| {
        let weights = conflict.found.then(|| settings.weights(&conflict));
        let mut scores = context.clone();
        conflict.write(weights, &context, &question, &mut scores);
        scores
    };
    let fixed: Vec<Vec<f32>> = case
        .input("alphas")?
        .f32()
        .into_iter()
        .map(|alpha| {
            scores(&CkPlug {
                alpha,
                ..settings.clone()
            })
        })
        .collect();
    let adaptive = scores(&CkPlug {
        adaptive: Adaptive::Code,
        ..settings.clone()
    });
    let mut masked = vec![1.0; context.len()];
    conflict.kept.iter().for_each(|&token| masked[token] = 0.0);
    let mut filtered = context.clone();
    conflict.write(None, &context, &question, &mut filtered);

    case.output("argmax_fixed", fixed.iter().map(|row| argmax(row) as f64));
    case.output("argmax_adaptive", [argmax(&adaptive) as f64]);
    case.output("entropy_ctx", [conflict.entropy_context.into()]);
    case.output("entropy_par", [conflict.entropy_question.into()]);
    case.output("is_adjust", [f64::from(conflict.found)]);
    case.output("mask", masked);
    output_removed(case, "ctx_filtered", &filtered);
    output_removed(case, "scores_fixed", &fixed.concat());
    output_removed(case, "scores_adaptive", &adaptive);
    Ok(())
}

/// Records scores whose removed tokens only need to be far below all others in the reference: where
/// they are, ours, which are `-inf`, count as equal.
fn output_removed(case: &mut Case, name: &str, scores: &[f32]) {
    const FAR_BELOW: f64 = -1e9;
    let wanted = case.wanted(name).map(|tensor| tensor.values.clone());
    let wanted = wanted.unwrap_or_default();
    let agreed = scores.iter().enumerate().map(|(at, &score)| {
        let far = wanted.get(at).filter(|&&wanted| wanted < FAR_BELOW);
        match far {
            Some(&far) if score == f32::NEG_INFINITY => far,
            _ => f64::from(score),
        }
    });
    case.output(name, agreed);
}
