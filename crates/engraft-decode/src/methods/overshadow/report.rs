//! What the detector found on prompts, as a file: where the alarm should ring, and the law that says how
//! often a popular fact wins.

use std::path::Path;

use engraft_files::atomic::{WriteError, write_file};
use serde::{Deserialize, Serialize};

use super::{Anticipation, Overshadow, anticipation};
use crate::{
    logits::log_softmax,
    methods::coda::{Law, law_fit},
    reaction::Reaction,
};

/// How reports name themselves.
const FORMAT: &str = "engraft overshadow 1";

/// A report that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("{path}: {problem}")]
    File { path: String, problem: String },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A prompt with a condition that may be ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub prompt: String,
    pub condition: String,
    /// Reaction of the common tokens to the condition's absence, in nats: 0 or less.
    pub s_rpmi: f64,
    /// Tokens that are plausible only with the condition.
    pub escaping: usize,
    pub escape: f64,
    /// What the alarm goes by: how strongly the answer reacts to the condition's absence, in nats.
    pub reaction: f64,
    /// Of the first token, in nats.
    pub entropy: f64,
    /// Probability of the first token: the confidence that the alarm must beat.
    pub confidence: f64,
    /// Whether the answer was wrong, where the file says so.
    #[serde(default)]
    pub ignored: Option<bool>,
    /// How many times as popular the dominant fact is, where the file says so.
    #[serde(default)]
    pub ratio: Option<f64>,
}

/// What was found on all prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    format: String,
    pub model_hash: String,
    /// From where on the alarm rings: the threshold with the best F1 where the file says what was
    /// wrong, else the method's default.
    pub tau: f64,
    /// How plausible the tokens of the reactions are.
    pub alpha: f32,
    pub findings: Vec<Finding>,
    /// Chance that a wrong answer has the weaker reaction, and the best F1 of an alarm.
    pub auroc: Option<f64>,
    pub best_f1: Option<f64>,
    /// The same for an alarm by low confidence.
    pub auroc_of_confidence: Option<f64>,
    /// Share of wrong answers over the logarithm of the ratio.
    pub law: Option<Law>,
}

impl Finding {
    /// From logits `[vocab]` with and without the condition.
    pub fn of(
        prompt: String,
        condition: String,
        full: &[f32],
        reduced: &[f32],
        alpha: f32,
    ) -> Self {
        let (full, reduced) = (log_softmax(full), log_softmax(reduced));
        let reaction = Reaction::of(&full, &reduced, alpha);
        let finite = full.iter().filter(|log| log.is_finite());
        let entropy: f32 = -finite.map(|log| log * log.exp()).sum::<f32>();
        Self {
            prompt,
            condition,
            s_rpmi: reaction.s_rpmi.into(),
            escaping: reaction.escaping.len(),
            escape: reaction.escape(&full).into(),
            reaction: reaction.strength(&full, &reduced).into(),
            entropy: entropy.into(),
            confidence: crate::logits::max(&full).exp().into(),
            ignored: None,
            ratio: None,
        }
    }
}

impl Report {
    /// Sets findings beside what was wrong, where they say so. The settings' `tau` stands where they
    /// do not.
    pub fn of(model_hash: String, findings: Vec<Finding>, settings: &Overshadow) -> Self {
        let judged = || findings.iter().filter_map(|one| Some((one, one.ignored?)));
        let set_beside = |score: &dyn Fn(&Finding) -> f64| -> Option<Anticipation> {
            let (scores, wrong): (Vec<f64>, Vec<bool>) =
                judged().map(|(one, wrong)| (score(one), wrong)).unzip();
            anticipation(&scores, &wrong).filter(|found| found.auroc.is_finite())
        };
        let found = set_beside(&|one| one.reaction);
        Self {
            format: FORMAT.to_owned(),
            model_hash,
            tau: found
                .as_ref()
                .map_or(settings.tau.into(), |found| found.best_threshold),
            alpha: settings.alpha,
            auroc: found.as_ref().map(|found| found.auroc),
            best_f1: found.as_ref().map(|found| found.best_f1),
            auroc_of_confidence: set_beside(&|one| one.confidence).map(|found| found.auroc),
            law: law(judged()),
            findings,
        }
    }

    /// # Errors
    /// A file that cannot be read or is no report.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let fail = |problem| ReportError::File {
            path: path.display().to_string(),
            problem,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| fail(format!("cannot be read: {error}")))?;
        let read: Self = serde_json::from_str(&text)
            .map_err(|error| fail(format!("is no report ({error}); make it again")))?;
        match read.format == FORMAT {
            true => Ok(read),
            false => Err(fail(format!("is a `{}`, not an `{FORMAT}`", read.format))),
        }
    }

    /// # Errors
    /// A place that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let json = serde_json::to_vec_pretty(self).expect("names and numbers have a JSON form");
        Ok(write_file(path, &json)?)
    }
}

/// The law over the ratios that the findings name: one rate for each.
fn law<'a>(judged: impl Iterator<Item = (&'a Finding, bool)>) -> Option<Law> {
    let mut rates: Vec<(f64, f64, f64)> = Vec::new();
    for (one, wrong) in judged {
        let Some(ratio) = one.ratio else { continue };
        let wrong = f64::from(wrong);
        match rates.iter_mut().find(|(known, ..)| *known == ratio) {
            Some((_, sum, count)) => (*sum, *count) = (*sum + wrong, *count + 1.0),
            None => rates.push((ratio, wrong, 1.0)),
        }
    }
    let ratios: Vec<f64> = rates.iter().map(|(ratio, ..)| *ratio).collect();
    let shares: Vec<f64> = rates.iter().map(|(_, sum, count)| sum / count).collect();
    law_fit(&ratios, &shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(s_rpmi: f64, ignored: bool, ratio: f64) -> Finding {
        Finding {
            prompt: "p".to_owned(),
            condition: "c".to_owned(),
            s_rpmi,
            escaping: 0,
            escape: 0.0,
            reaction: -s_rpmi,
            entropy: 1.0,
            confidence: 0.5,
            ignored: Some(ignored),
            ratio: Some(ratio),
        }
    }

    #[test]
    fn reports_say_where_the_alarm_should_ring_and_fit_the_law() {
        let findings = vec![
            finding(-0.1, true, 10.0),
            finding(-0.2, true, 100.0),
            finding(-2.0, false, 10.0),
            finding(-0.3, true, 100.0),
        ];
        let report = Report::of("m".to_owned(), findings, &Overshadow::default());
        assert_eq!((report.tau, report.auroc), (0.3, Some(1.0)));
        let law = report.law.unwrap();
        assert!((law.predict(10.0) - 0.5).abs() < 1e-9 && law.predict(100.0) > 0.99);
        let without = vec![Finding {
            ignored: None,
            ..finding(-1.0, true, 1.0)
        }];
        let report = Report::of("m".to_owned(), without, &Overshadow::default());
        assert_eq!((report.auroc, report.law), (None, None));
        assert_eq!(report.tau as f32, Overshadow::default().tau);
    }

    #[test]
    fn a_flat_law_comes_back_too() {
        let flat = vec![finding(-0.1, true, 10.0), finding(-0.2, true, 100.0)];
        let report = Report::of("m".to_owned(), flat, &Overshadow::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        report.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap().law.unwrap().slope, 0.0);
    }

    #[test]
    fn reports_come_back_from_their_file_and_damaged_files_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let report = Report::of(
            "m".to_owned(),
            vec![finding(-1.0, true, 2.0)],
            &Overshadow::default(),
        );
        report.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);
        std::fs::write(&path, "{}").unwrap();
        let said = Report::read(&path).unwrap_err().to_string();
        assert!(
            said.contains("report.json") && said.contains("no report"),
            "{said}"
        );
    }
}
