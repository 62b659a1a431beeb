//! CAD — follow the context more than the model would.
//!
//! # What it does
//! Runs the question with and without its context and moves the scores further in the direction in
//! which the context moved them.
//!
//! # When to use it, when not
//! When the context is right and the model insists on what it remembers. Not when the context may be
//! wrong, and not without one. The effect depends on the wording of the prompt: try several.
//!
//! # How
//! `score = (1 + alpha) · z_context - alpha · z_question`, both prompts fed with the same answer.
//!
//! # Where paper and code differ and which we follow
//! The paper uses alpha 0.5 for summaries and 1.0 for conflicts; the code leaves it to the input. Ours
//! is 0.5. The optional nuclei on both streams are those of the code.
//!
//! # Evidence
//! Parity with the official code: `parity/decoding-baselines`, kind `context_aware`. What it
//! helps and what it hurts: `docs/evidence.md`.
//!
//! # Reference
//! Shi et al. Trusting Your Evidence: Hallucinate Less with Context-aware Decoding. NAACL 2024,
//! arXiv 2305.14739.

use clap::Args;
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, View, Way,
    logits::{argmax, softmax},
    processors::nucleus,
    reference,
};

/// Settings of `cad`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Cad {
    /// Weight of the difference that the context makes; 0 is the plain model.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    /// Before mixing, tokens outside this nucleus of the full prompt count as impossible; 1 is off.
    #[arg(long, default_value_t = Self::default().filter_top_p)]
    pub filter_top_p: f32,
    /// Before mixing, tokens outside this nucleus of the bare question count as most expected there;
    /// 1 is off.
    #[arg(long, default_value_t = Self::default().filter_top_p_prior)]
    pub filter_top_p_prior: f32,
}

impl Default for Cad {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            filter_top_p: 1.0,
            filter_top_p_prior: 1.0,
        }
    }
}

/// What the official code writes over logits that a nucleus removes.
const REMOVED: f32 = 1000.0;

impl Cad {
    /// Scores from the logits with and without context, `[vocab]` each.
    pub fn fuse(&self, context: &[f32], question: &[f32]) -> Vec<f32> {
        let filtered = |logits: &[f32], top_p: f32, removed: f32| -> Vec<f32> {
            if top_p >= 1.0 {
                return logits.to_vec();
            }
            let keep = nucleus(logits, top_p, 1);
            let kept = logits.iter().zip(keep);
            kept.map(|(&x, keep)| if keep { x } else { removed })
                .collect()
        };
        let context = filtered(context, self.filter_top_p, -REMOVED);
        let question = filtered(question, self.filter_top_p_prior, REMOVED);
        let both = context.iter().zip(&question);
        both.map(|(c, q)| (1.0 + self.alpha) * c - self.alpha * q)
            .collect()
    }
}

impl DecodeMethod for Cad {
    const NAME: &'static str = "cad";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "decoding-baselines",
            kind: "context_aware",
            run: parity,
        },
        Check {
            slug: "decoding-baselines",
            kind: "generate",
            run: parity_of_answers,
        },
    ];

    fn check(&self) -> Result<(), String> {
        match self.alpha.is_finite() && self.alpha >= 0.0 {
            true => Ok(()),
            false => Err(format!("alpha is {}; it must be 0 or more", self.alpha)),
        }
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(self.clone())))
    }
}

impl Steering for Cad {
    fn views(&self) -> Vec<View> {
        vec![View::Full, View::NoContext]
    }

    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let [context, question] = step.logits else {
            return Told::default();
        };
        scores.copy_from_slice(&self.fuse(context, question));
        Told {
            source: Some(Source::of(scores, context, question)),
            ..Told::default()
        }
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let number = |name: &str| case.number(name).map(|x| x as f32);
    let cad = Cad {
        alpha: number("alpha")?,
        filter_top_p: number("filter_top_p")?,
        filter_top_p_prior: number("filter_top_p_prior")?,
    };
    let projection = number("projection_top_p")?;
    let score = cad.fuse(
        &case.input("logits_ctx")?.f32(),
        &case.input("logits_noctx")?.f32(),
    );
    let keep = nucleus(&score, projection, 1);
    let kept: Vec<f32> = score
        .iter()
        .zip(&keep)
        .map(|(&x, &keep)| if keep { x } else { f32::NEG_INFINITY })
        .collect();
    case.output("argmax", [argmax(&score) as f64]);
    case.output(
        "nucleus_keep",
        keep.iter().map(|&keep| f64::from(u8::from(keep))),
    );
    case.output_f32("sampling_probs", &softmax(&kept));
    case.output_f32("cad_score", &score);
    Ok(())
}

/// The text of a conflict.
fn parity_of_answers(case: &mut Case) -> Result<(), ParityError> {
    let alpha = case.number("cad_alpha")? as f32;
    let model = reference::model()?;
    let (full, question) = (
        reference::ids(case, "cad_ctx")?,
        reference::ids(case, "cad_noctx")?,
    );
    let mut way = Way::Steer(Box::new(Cad {
        alpha,
        ..Cad::default()
    }));
    let prompt = reference::prompt(&full, Some(&question));
    let found = reference::answered(model, &prompt, &mut way, 8)?;
    case.output("cad_0.5", found.into_iter().map(f64::from));
    Ok(())
}
