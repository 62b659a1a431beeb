//! CD — contrastive decoding: what the model says and a weaker one does not.
//!
//! # What it does
//! Decodes a model and a smaller one side by side and prefers the tokens that the model thinks much
//! more probable than the smaller one does, among those the model finds plausible at all.
//!
//! # When to use it, when not
//! For open texts where a model repeats itself or says the obvious, with a much weaker model of the
//! same vocabulary at hand. No use where there is no weaker model; no claim is made for models of 135M
//! parameters. Not a cure for wrong knowledge.
//!
//! # How
//! `p` is the model, `q` the amateur. Plausible is `ln p(v) >= max ln p + ln(relative_top)`, and at
//! least the `keep` most probable. `score = ln p - beta · ln q / student_temperature` there, `-inf`
//! elsewhere. Both are fed with the same answer.
//!
//! # Where paper and code differ and which we follow
//! The paper's rule. The greedy mode of the official code drops the plausibility and subtracts raw
//! logits of the amateur; its published numbers come from the beam mode, which does what the paper
//! says. `raw_amateur` gives the raw logits. The flags of the code default to beta 0.5 and
//! temperature 1.0; paper and README run small amateurs with 1.0 and 0.5, and so do we.
//!
//! # Evidence
//! Parity with the official code: `parity/decoding-baselines`, kind `contrastive_decoding`.
//!
//! # Reference
//! Li et al. Contrastive Decoding: Open-ended Text Generation as Optimization. ACL 2023,
//! arXiv 2210.15097.

use clap::Args;
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, View, Way,
    logits::{argmax, kth_largest, log_softmax, log_sum_exp, max},
};

/// Settings of `cd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Cd {
    /// Plausible are tokens at least so many times as probable as the most probable one (alpha).
    #[arg(long, default_value_t = Self::default().relative_top)]
    pub relative_top: f32,
    /// Weight of the amateur; 0 is the plain model.
    #[arg(long, default_value_t = Self::default().beta)]
    pub beta: f32,
    /// Divides the amateur's log-probabilities.
    #[arg(long, default_value_t = Self::default().student_temperature)]
    pub student_temperature: f32,
    /// So many of the most probable tokens are plausible in any case.
    #[arg(long, default_value_t = Self::default().keep)]
    pub keep: usize,
    /// Subtract the amateur's raw logits, as the greedy mode of the official code does.
    #[arg(long)]
    pub raw_amateur: bool,
}

impl Default for Cd {
    fn default() -> Self {
        Self {
            relative_top: 0.1,
            beta: 1.0,
            student_temperature: 0.5,
            keep: 1,
            raw_amateur: false,
        }
    }
}

/// What an amateur's log-probability of minus infinity counts as, so that a score stays a number.
const IMPOSSIBLE: f32 = -1e4;

impl Cd {
    /// Scores from the logits of expert and amateur, `[vocab]` each; `-inf` is not plausible.
    pub fn fuse(&self, expert: &[f32], amateur: &[f32]) -> Vec<f32> {
        let mut scores = log_softmax(expert);
        let mut least = max(&scores) + self.relative_top.ln();
        if self.keep > 1 {
            least = least.min(kth_largest(&scores, self.keep));
        }
        let total = match self.raw_amateur {
            true => 0.0,
            false => log_sum_exp(amateur),
        };
        let floor = |logit: f32| (logit - total).max(IMPOSSIBLE);
        let weight = self.beta / self.student_temperature;
        for (score, &logit) in scores.iter_mut().zip(amateur) {
            *score = match *score >= least && *score > f32::NEG_INFINITY {
                true => *score - weight * floor(logit),
                false => f32::NEG_INFINITY,
            };
        }
        scores
    }
}

impl DecodeMethod for Cd {
    const NAME: &'static str = "cd";
    const CHECKS: &'static [Check] = &[Check {
        slug: "decoding-baselines",
        kind: "contrastive_decoding",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        let within =
            |low: f32, value: f32, high: f32| value.is_finite() && value > low && value <= high;
        if !within(0.0, self.relative_top, 1.0) {
            let value = self.relative_top;
            return Err(format!(
                "relative_top is {value}; it must be above 0 and at most 1"
            ));
        }
        if !within(0.0, self.student_temperature, f32::MAX) {
            let value = self.student_temperature;
            return Err(format!(
                "student_temperature is {value}; it must be above 0"
            ));
        }
        match self.beta.is_finite() && self.beta >= 0.0 {
            true => Ok(()),
            false => Err(format!("beta is {}; it must be 0 or more", self.beta)),
        }
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(self.clone())))
    }
}

impl Steering for Cd {
    fn views(&self) -> Vec<View> {
        vec![View::Full, View::Amateur]
    }

    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let [expert, amateur] = step.logits else {
            return Told::default();
        };
        scores.copy_from_slice(&self.fuse(expert, amateur));
        let plain = argmax(scores) == argmax(expert);
        let plausible = scores.iter().filter(|score| score.is_finite()).count();
        Told {
            source: plain.then_some(Source::Model),
            numbers: vec![("plausible tokens", plausible as f64)],
            note: (!plain).then(|| "the amateur's favourites lost".to_owned()),
            ..Told::default()
        }
    }
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let cd = Cd {
        relative_top: case.number("relative_top")? as f32,
        beta: case.number("st_coef")? as f32,
        student_temperature: case.number("student_temperature")? as f32,
        keep: case.number("min_tokens_to_keep")? as usize,
        raw_amateur: false,
    };
    let raw = Cd {
        raw_amateur: true,
        ..cd.clone()
    };
    let [_, vocab] = case.input("expert_logits")?.rows();
    let expert = case.input("expert_logits")?.f32();
    let amateur = case.input("amateur_logits")?.f32();
    let rows = || expert.chunks_exact(vocab).zip(amateur.chunks_exact(vocab));
    let scores: Vec<Vec<f32>> = rows().map(|(e, a)| cd.fuse(e, a)).collect();
    case.output("argmax", scores.iter().map(|row| argmax(row) as f64));
    let scores = scores.concat();
    case.output(
        "plausible",
        scores
            .iter()
            .map(|score| f64::from(u8::from(score.is_finite()))),
    );
    case.output_f32("cd_score", &scores);
    let unnormalised: Vec<f32> = rows().flat_map(|(e, a)| raw.fuse(e, a)).collect();
    case.output_f32("cd_score_unnormalised_amateur", &unnormalised);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cd_without_an_amateur_is_the_model_and_keeps_what_is_plausible() {
        let plain = Cd {
            beta: 0.0,
            ..Cd::default()
        };
        let gone = f32::NEG_INFINITY;
        let scores = plain.fuse(&[2.0, 1.9, -9.0, gone], &[gone, 0.0, 0.0, gone]);
        assert_eq!(argmax(&scores), 0);
        assert_eq!(scores[2..], [gone, gone]);
        assert!(scores[0].is_finite() && scores[1].is_finite());

        let three = Cd { keep: 3, ..plain };
        assert!(three.fuse(&[2.0, 1.9, -9.0, gone], &[0.0; 4])[2].is_finite());
    }

    #[test]
    fn cd_of_two_prompts_ranks_as_context_aware_decoding_does() {
        let cd = Cd {
            relative_top: 1e-6,
            beta: 0.5,
            student_temperature: 1.0,
            ..Cd::default()
        };
        let (context, question) = ([0.3, 1.2, -0.4, 0.9], [1.0, 1.4, -2.0, 0.1]);
        let (contrast, aware) = (
            cd.fuse(&context, &question),
            crate::methods::cad::Cad {
                alpha: 1.0,
                ..Default::default()
            }
            .fuse(&context, &question),
        );
        // beta = alpha / (1 + alpha); the scores agree up to that scale and a constant.
        for token in 1..4 {
            let (a, b) = (contrast[token] - contrast[0], aware[token] - aware[0]);
            assert!((2.0 * a - b).abs() < 1e-5, "{token}: {a} {b}");
        }
    }
}
