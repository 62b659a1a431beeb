//! CoDa — make a condition of the prompt count that popular knowledge drowns out.
//!
//! # What it does
//! Takes conditions out of the prompt, looks whether the next token's distribution reacts, and decodes
//! with what the chosen condition adds to it. Beside it stands the law of how often a rare fact is
//! answered with a popular one.
//!
//! # When to use it, when not
//! When you know which words of the prompt may be ignored: name them. Prompts whose condition is
//! already followed get worse, on synthetic facts more than the others get better; `overshadow` has a
//! gate for that, which costs much of the gain. Of no use where only one token is plausible.
//!
//! # How
//! With log-probabilities `p` of the prompt and `q` of it without the condition, `r = p - q`; a token
//! is plausible at `alpha` times the most probable one. `S` sums the negative `r` over tokens plausible
//! in both, `ERM` sums `p - floor` over those plausible in `p` alone, `floor` being the smallest `q`
//! where `r < 0`. The condition with the largest `S + ERM` before the first token is kept for the
//! answer: `score = p - q`, or `p - floor`, and nothing for implausible tokens.
//!
//! `condition` names words of the prompt, several conditions separated by `|`; without it the context
//! as a whole is the one condition. They are cut out of the prompt, so their positions close up, or
//! replaced by `neutral` words.
//!
//! # Where paper and code differ and which we follow
//! No official code exists and the paper's tables could not be read. The detector is that of an
//! independent re-implementation, which deletes one token at a time and takes the largest indicator;
//! on a synthetic task that rule picks a wrong token almost always, so only named conditions are
//! tested here. The contrast is our reading of the abstract.
//!
//! # Evidence
//! Parity with that re-implementation: `parity/coda`, kind `detect_and_contrast`; with the formula:
//! kind `law_fit`. What it
//! helps and what it hurts: `docs/evidence.md`.
//!
//! # Reference
//! Zhang et al. The Law of Knowledge Overshadowing: Towards Understanding, Predicting, and Preventing
//! LLM Hallucination. Findings of ACL 2025, arXiv 2502.16143.

mod law;

use clap::Args;
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, View, Way,
    conditions::Conditions,
    logits::{Real, argmax, log_softmax},
    reaction::Reaction,
};

pub use law::{Law, law_fit};

/// Settings of `coda`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Coda {
    /// Words of the prompt that the model may ignore, as they stand there; several conditions are
    /// separated by `|`. Nothing means the context as a whole.
    #[arg(long, default_value_t = Self::default().condition)]
    pub condition: String,
    /// What stands where a condition is taken out, best with as many tokens; nothing cuts it out.
    #[arg(long, default_value_t = Self::default().neutral)]
    pub neutral: String,
    /// A token is plausible at this many times the probability of the most probable one.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
}

impl Default for Coda {
    fn default() -> Self {
        Self {
            condition: String::new(),
            neutral: String::new(),
            alpha: 0.01,
        }
    }
}

/// What the detector says about one condition, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Indicator<F> {
    /// Near 0, the model does not listen to the condition.
    pub s_rpmi: F,
    /// What the tokens add that the condition alone makes plausible; 0 if it makes no token less
    /// likely.
    pub erm: F,
}

impl<F: Real> Indicator<F> {
    /// From the reaction of the log-probabilities `[vocab]` of the full prompt.
    pub fn of(reaction: &Reaction<F>, full: &[F]) -> Self {
        Self {
            s_rpmi: reaction.s_rpmi,
            erm: match reaction.lowest {
                Some(_) => reaction.escape(full),
                None => F::zero(),
            },
        }
    }

    pub fn sum(self) -> F {
        self.s_rpmi + self.erm
    }
}

/// The first condition with the largest indicator.
pub fn overshadowed<F: Real>(indicators: &[Indicator<F>]) -> usize {
    argmax(&indicators.iter().map(|one| one.sum()).collect::<Vec<F>>())
}

impl DecodeMethod for Coda {
    const NAME: &'static str = "coda";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "coda",
            kind: "detect_and_contrast",
            run: parity,
        },
        Check {
            slug: "coda",
            kind: "law_fit",
            run: law::parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        match self.alpha > 0.0 && self.alpha <= 1.0 {
            true => Ok(()),
            false => Err(format!(
                "alpha is {}; it must be above 0 and at most 1",
                self.alpha
            )),
        }
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(Contrast {
            alpha: self.alpha,
            conditions: Conditions::named(&self.condition, &self.neutral),
            chosen: None,
        })))
    }
}

/// The method at work: the condition is chosen before the first token.
struct Contrast {
    alpha: f32,
    conditions: Conditions,
    chosen: Option<usize>,
}

impl Contrast {
    /// Tests every condition; what was found, in words, and the choice.
    fn choose(&self, full: &[f32], reduced: &[&[f32]]) -> (usize, String) {
        let indicators: Vec<Indicator<f32>> = reduced
            .iter()
            .map(|logits| {
                let reaction = Reaction::of(full, &log_softmax(logits), self.alpha);
                Indicator::of(&reaction, full)
            })
            .collect();
        let lines = indicators.iter().enumerate().map(|(index, indicator)| {
            let (name, total) = (self.conditions.name(index), indicator.sum());
            let Indicator { s_rpmi, erm } = indicator;
            format!("`{name}`: S {s_rpmi:.3}, ERM {erm:.3}, indicator {total:.3}")
        });
        let found = lines.collect::<Vec<String>>().join("; ");
        (overshadowed(&indicators), found)
    }
}

impl Steering for Contrast {
    fn conditions(&mut self) -> Option<&mut Conditions> {
        Some(&mut self.conditions)
    }

    fn views(&self) -> Vec<View> {
        self.conditions.views()
    }

    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let Some((full, reduced @ [_, ..])) = step.logits.split_first() else {
            return Told::default();
        };
        let full = log_softmax(full);
        let (chosen, note) = match self.chosen {
            Some(chosen) => (chosen, None),
            None => {
                let (chosen, found) = self.choose(&full, reduced);
                (chosen, Some(found))
            }
        };
        self.chosen = Some(chosen);
        let reduced = log_softmax(reduced[chosen]);
        let reaction = Reaction::of(&full, &reduced, self.alpha);
        reaction.contrast(&full, &reduced, 1.0, scores);
        let indicator = Indicator::of(&reaction, &full);
        Told {
            source: Some(match argmax(scores) == argmax(&full) {
                true => Source::Model,
                false => Source::Context,
            }),
            numbers: vec![
                ("S", indicator.s_rpmi.into()),
                ("ERM", indicator.erm.into()),
                ("indicator", indicator.sum().into()),
            ],
            note,
            ..Told::default()
        }
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let alpha = case.number("alpha")? as f32;
    let logits = case.input("logits_full")?.f32();
    let masked = case.input("logits_masked")?;
    let [_, vocab] = masked.rows();
    let full = log_softmax(&logits);
    let mut indicators = Vec::new();
    let (mut contrasts, mut winners, mut plausible) = (Vec::new(), Vec::new(), Vec::new());
    for logits in masked.f32().chunks(vocab) {
        let reduced = log_softmax(logits);
        let reaction = Reaction::of(&full, &reduced, alpha);
        indicators.push(Indicator::of(&reaction, &full));
        let mut scores = vec![0.0; vocab];
        reaction.contrast(&full, &reduced, 1.0, &mut scores);
        winners.push(argmax(&scores) as f64);
        contrasts.extend(scores);
        plausible.extend(reduced.iter().map(|&x| x >= reaction.threshold));
    }
    let flags =
        |flags: &[bool]| -> Vec<f64> { flags.iter().map(|&flag| f64::from(flag)).collect() };
    let numbers =
        |of: fn(&Indicator<f32>) -> f32| -> Vec<f32> { indicators.iter().map(of).collect() };
    case.output_f32("s_rpmi", &numbers(|one| one.s_rpmi));
    case.output_f32("erm", &numbers(|one| one.erm));
    case.output_f32("indicator", &numbers(|one| one.sum()));
    case.output("best", [overshadowed(&indicators) as f64]);
    case.output_f32("coda_scores", &contrasts);
    case.output("coda_argmax", winners);
    case.output("greedy", [argmax(&logits) as f64]);
    case.output("v_top_full", flags(&crate::logits::plausible(&full, alpha)));
    case.output("v_top_masked", flags(&plausible));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_tokens_count_for_nothing_where_no_common_token_loses() {
        let full = log_softmax(&[2.0, 2.0, -30.0]);
        let reduced = log_softmax(&[2.0, -30.0, 2.0]);
        let reaction = Reaction::of(&full, &reduced, 0.01);
        assert_eq!(reaction.escaping, [1]);
        assert_eq!(Indicator::of(&reaction, &full).erm, 0.0);
    }

    #[test]
    fn the_condition_chosen_first_stays_for_the_answer() {
        let mut contrast = Contrast {
            alpha: 0.01,
            conditions: Conditions::named("a | b", ""),
            chosen: None,
        };
        let full = [1.0, 0.9, 0.0];
        let same = full;
        let other = [3.0, 0.5, 0.0];
        let identity: &dyn Fn(&[f32]) -> Vec<f32> = &|states| states.to_vec();
        let mut step = |logits: &[&[f32]]| {
            let mut scores = [0.0; 3];
            let step = Step {
                logits,
                tokens: &[],
                prompt: 0,
                states: &[],
                lens: identity,
                head: identity,
            };
            let told = contrast.scores(&step, &mut scores);
            (told.note, argmax(&scores))
        };
        let (note, _) = step(&[&full, &other, &same]);
        assert!(note.is_some_and(|note| note.contains("`b`: S 0.000")));
        // The second condition showed no reaction, which is the largest indicator.
        assert_eq!(step(&[&full, &same, &other]), (None, 1));
    }
}
