//! Overshadowing guard — warn before a condition of the prompt is ignored, and decode around it.
//!
//! # What it does
//! Before the first token it looks at every named condition: does the answer's distribution react when
//! the condition is taken out? If one is ignored it raises an alarm and decodes the answer by what that
//! condition adds; otherwise the plain model answers.
//!
//! # When to use it, when not
//! When the prompt holds a rare condition that a popular fact may drown out, and you can name it. A
//! model that knows neither fact does not react either, so read the alarm together with the entropy.
//! At the default `tau` the gate spares prompts that were right and gives away all of what `coda` gains.
//! With the threshold that `engraft overshadow` chooses it kept most of that gain on synthetic facts and
//! cost fewer of the answers that were right, on average over five seeds.
//!
//! # How
//! `S`, the tokens plausible in both prompts and those that escape are as in `coda`. The reaction to a
//! condition's absence is `-S + max(sum p - floor, 0)`, summed over escaping tokens; a lone plausible
//! token that is not the first without the condition reacts by `p - q`. The condition with the weakest
//! reaction is ignored if that is at most `tau`, the number that `engraft overshadow` chooses. Then
//! `score = p - lambda · q` on the tokens plausible in both and `p - lambda · floor` on those that
//! escape later in the answer; where no token loses, `floor` is the plausibility threshold of `q`.
//!
//! `condition` names words of the prompt, several conditions separated by `|`; without it the context
//! as a whole is the one condition. `neutral` words in their place keep the positions.
//!
//! # Where paper and code differ and which we follow
//! No code was published and only the abstract could be read: the gate, the sign of the escape term
//! and the contrast are ours, verified on synthetic facts. A first form of the gate took any escaping
//! token for a full reaction; as an alarm the graded form is the better.
//!
//! # Evidence
//! Parity with the formulas in double precision: `parity/overshadowing`, kinds `detector` and
//! `anticipation_f1`. What it helps and what it hurts: `docs/evidence.md`.
//!
//! # Reference
//! Zhang et al. Knowledge Overshadowing Causes Amalgamated Hallucination in Large Language Models.
//! 2024, arXiv 2407.08039.

mod anticipation;
mod report;

use std::path::Path;

use clap::Args;
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, View, Way,
    conditions::Conditions,
    logits::{argmax, log_softmax},
    reaction::Reaction,
};

pub use anticipation::{Anticipation, anticipation};
pub use report::{Finding, Report, ReportError};

/// Settings of `overshadow`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Overshadow {
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
    /// Weight of the prompt without the condition in the contrast.
    #[arg(long, default_value_t = Self::default().lambda)]
    pub lambda: f32,
    /// A condition counts as ignored if the reaction to its absence is at most so strong, in nats.
    #[arg(long, default_value_t = Self::default().tau)]
    pub tau: f32,
    /// File of `engraft overshadow`, whose tau and alpha are used instead.
    #[arg(long, default_value_t = Self::default().report)]
    pub report: String,
}

impl Default for Overshadow {
    fn default() -> Self {
        Self {
            condition: String::new(),
            neutral: String::new(),
            alpha: 0.01,
            lambda: 1.0,
            tau: 0.1,
            report: String::new(),
        }
    }
}

impl DecodeMethod for Overshadow {
    const NAME: &'static str = "overshadow";
    const FILES: &'static [&'static str] = &["report"];
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "overshadowing",
            kind: "detector",
            run: parity,
        },
        Check {
            slug: "overshadowing",
            kind: "anticipation_f1",
            run: anticipation::parity,
        },
    ];

    fn check(&self) -> Result<(), String> {
        if !(self.alpha > 0.0 && self.alpha <= 1.0) {
            let alpha = self.alpha;
            return Err(format!(
                "alpha is {alpha}; it must be above 0 and at most 1"
            ));
        }
        for (name, value) in [("lambda", self.lambda), ("tau", self.tau)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("{name} is {value}; it must be 0 or more"));
            }
        }
        Ok(())
    }

    fn start(&self, model: &Target<'_>) -> Result<Way, String> {
        let mut settings = self.clone();
        if !self.report.is_empty() {
            let report =
                Report::read(Path::new(&self.report)).map_err(|error| error.to_string())?;
            if report.model_hash != (model.reader)()?.model_hash {
                return Err(format!(
                    "{} was made with another model; make it with this one",
                    self.report
                ));
            }
            (settings.tau, settings.alpha) = (report.tau as f32, report.alpha);
        }
        Ok(Way::Steer(Box::new(Guard {
            conditions: Conditions::named(&self.condition, &self.neutral),
            settings,
            verdict: None,
        })))
    }
}

/// What was found before the first token.
#[derive(Clone, Copy)]
enum Verdict {
    /// Every condition counts.
    Heard,
    /// This one does not.
    Ignored(usize),
}

/// The method at work on one answer.
struct Guard {
    settings: Overshadow,
    conditions: Conditions,
    verdict: Option<Verdict>,
}

impl Guard {
    /// Looks at every condition; the verdict and what was found.
    fn judge(&self, full: &[f32], reduced: &[&[f32]]) -> (Verdict, Told) {
        let Overshadow { alpha, tau, .. } = self.settings;
        let mut found = Vec::new();
        let mut weakest: Option<(usize, f32)> = None;
        for (index, logits) in reduced.iter().enumerate() {
            let reduced = log_softmax(logits);
            let reaction = Reaction::of(full, &reduced, alpha);
            let (name, strength) = (
                self.conditions.name(index),
                reaction.strength(full, &reduced),
            );
            let alarm = strength <= tau;
            let verdict = if alarm { "probably ignored" } else { "heard" };
            let (s, escape) = (reaction.s_rpmi, reaction.escape(full));
            found.push(format!(
                "`{name}` {verdict}: reaction {strength:.3}, S {s:.3}, escape {escape:.3}"
            ));
            if alarm && weakest.is_none_or(|(_, weakest)| strength < weakest) {
                weakest = Some((index, strength));
            }
        }
        let probabilities = full.iter().filter(|x| x.is_finite());
        let entropy: f32 = -probabilities.map(|x| x * x.exp()).sum::<f32>();
        let told = Told {
            numbers: vec![("entropy", entropy.into())],
            note: Some(found.join("; ")),
            ..Told::default()
        };
        let verdict = weakest.map_or(Verdict::Heard, |(index, _)| Verdict::Ignored(index));
        (verdict, told)
    }
}

impl Steering for Guard {
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
        if let Some(Verdict::Heard) = self.verdict {
            return Told {
                source: Some(Source::Model),
                ..Told::default()
            };
        }
        let full = log_softmax(full);
        let (verdict, mut told) = match self.verdict {
            Some(verdict) => (verdict, Told::default()),
            None => self.judge(&full, reduced),
        };
        self.verdict = Some(verdict);
        told.source = Some(Source::Model);
        if let Verdict::Ignored(index) = verdict {
            let reduced = log_softmax(reduced[index]);
            let reaction = Reaction::of(&full, &reduced, self.settings.alpha);
            reaction.contrast(&full, &reduced, self.settings.lambda, scores);
            told.numbers.push(("S", reaction.s_rpmi.into()));
            if argmax(scores) != argmax(&full) {
                told.source = Some(Source::Context);
            }
        }
        told
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let alpha = case.number("alpha")?;
    let lambda = case.number("lambda")?;
    let logits = &case.input("logits_full")?.values;
    let masked = case.input("logits_masked")?;
    let [_, vocab] = masked.rows();
    let full = log_softmax(logits);
    let greedy = argmax(logits);
    let mut outputs: [(&str, Vec<f64>); 8] = [
        "r_pmi",
        "v_top_masked",
        "s_rpmi",
        "escape_term",
        "floor",
        "score",
        "contrast",
        "contrast_argmax",
    ]
    .map(|name| (name, Vec::new()));
    for logits in masked.values.chunks(vocab) {
        let reduced = log_softmax(logits);
        let reaction = Reaction::of(&full, &reduced, alpha);
        let escape = reaction.escape(&full);
        let mut contrast = vec![0.0; vocab];
        reaction.contrast(&full, &reduced, lambda, &mut contrast);
        let plausible = reduced.iter().map(|&x| f64::from(x >= reaction.threshold));
        let rows: [Vec<f64>; 8] = [
            full.iter().zip(&reduced).map(|(p, q)| p - q).collect(),
            plausible.collect(),
            vec![reaction.s_rpmi],
            vec![escape],
            vec![reaction.floor()],
            vec![reaction.s_rpmi + escape],
            contrast.clone(),
            vec![argmax(&contrast) as f64],
        ];
        for ((_, values), row) in outputs.iter_mut().zip(rows) {
            values.extend(row);
        }
    }
    let plausible = crate::logits::plausible(&full, alpha);
    case.output("v_top_full", plausible.into_iter().map(f64::from));
    case.output("greedy", [greedy as f64]);
    for (name, values) in outputs {
        case.output(name, values);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(condition: &str) -> Guard {
        Guard {
            settings: Overshadow::default(),
            conditions: Conditions::named(condition, ""),
            verdict: None,
        }
    }

    fn step(guard: &mut Guard, logits: &[&[f32]]) -> (Told, Vec<f32>) {
        let identity: &dyn Fn(&[f32]) -> Vec<f32> = &|states| states.to_vec();
        let mut scores = logits[0].to_vec();
        let step = Step {
            logits,
            tokens: &[],
            prompt: 0,
            states: &[],
            lens: identity,
            head: identity,
        };
        let told = guard.scores(&step, &mut scores);
        (told, scores)
    }

    const FULL: [f32; 3] = [1.0, 0.9, -20.0];
    const NEARLY: [f32; 3] = [1.05, 0.9, -20.0];
    const ELSEWHERE: [f32; 3] = [3.0, 0.5, -20.0];

    #[test]
    fn an_ignored_condition_raises_an_alarm_and_is_kept_for_the_answer() {
        let mut guard = guard("near | far");
        let (told, scores) = step(&mut guard, &[&FULL, &ELSEWHERE, &NEARLY]);
        let note = told.note.expect("a note before the first token");
        assert!(note.contains("`near` heard"), "{note}");
        assert!(note.contains("`far` probably ignored"), "{note}");
        assert_eq!(argmax(&scores), 1);
        let (told, scores) = step(&mut guard, &[&FULL, &FULL, &ELSEWHERE]);
        assert_eq!((told.source, told.note), (Some(Source::Context), None));
        assert_eq!(argmax(&scores), 1);
    }

    #[test]
    fn conditions_that_are_heard_leave_the_model_alone() {
        let mut guard = guard("near");
        for _ in 0..2 {
            let (told, scores) = step(&mut guard, &[&FULL, &ELSEWHERE]);
            assert_eq!(told.source, Some(Source::Model));
            assert_eq!(scores, FULL);
        }
    }

    #[test]
    fn the_alarm_rings_at_the_threshold_that_a_report_gives() {
        // A token escapes, but hardly above the floor: the reaction is graded.
        let (full, reduced) = ([5.0, 0.5], [9.0, 0.5]);
        let found = Finding::of(String::new(), String::new(), &full, &reduced, 0.01);
        assert_eq!(found.escaping, 1);
        let rings = |tau: f64| {
            let mut guard = guard("near");
            guard.settings.tau = tau as f32;
            let (told, _) = step(&mut guard, &[&full, &reduced]);
            told.note.is_some_and(|note| note.contains("ignored"))
        };
        assert!(rings(found.reaction));
        assert!(!rings(found.reaction - 1e-3));
    }
}
