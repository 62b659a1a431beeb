//! Memories compared: the same issues, models and settings, each with a memory of its own that starts empty.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use engraft_agents::{batch::Done, chat::meter::Spent, methods::experepair::Channels};
use engraft_probe::interval::bootstrap;
use serde::Serialize;

/// What one memory brought, issue by issue.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub memory: Channels,
    pub issues: Vec<Issue>,
}

/// How an issue went.
#[derive(Clone, Debug, Serialize)]
pub struct Issue {
    pub id: String,
    /// By the grader; `None` without one.
    pub resolved: Option<bool>,
    /// A script was accepted as showing it.
    pub shown: bool,
    /// A patch was accepted by the review.
    pub accepted: bool,
    /// What ended the work early, if something did.
    pub ended: Option<String>,
    /// Rounds of patches.
    pub rounds: usize,
    /// Attempts at the script.
    pub scripts: usize,
    pub spent: Spent,
    pub stages: BTreeMap<String, Spent>,
}

impl Issue {
    /// How all went; `resolved` holds the ids that the grader found so.
    ///
    /// # Errors
    /// If an issue failed.
    pub fn all(done: Vec<Done>, resolved: Option<&BTreeSet<String>>) -> anyhow::Result<Vec<Self>> {
        let one = |one: Done| {
            let id = one.task.id.clone();
            let repaired = one.result.with_context(|| id.clone())?;
            let mut spent = Spent::default();
            one.spent.values().for_each(|stage| spent.add(*stage));
            Ok(Self {
                resolved: resolved.map(|resolved| resolved.contains(&id)),
                shown: repaired.reproduced.accepted.is_some(),
                accepted: repaired
                    .generated
                    .pool
                    .iter()
                    .any(|candidate| candidate.correct),
                ended: repaired.ended.clone(),
                rounds: repaired.generated.attempts.len(),
                scripts: repaired.reproduced.attempts.len(),
                id,
                spent,
                stages: one.spent,
            })
        };
        done.into_iter().map(one).collect()
    }
}

impl Entry {
    /// One number an issue.
    fn values(&self, of: impl Fn(&Issue) -> f64) -> Vec<f64> {
        self.issues.iter().map(of).collect()
    }

    fn total(&self) -> Spent {
        let mut total = Spent::default();
        self.issues.iter().for_each(|issue| total.add(issue.spent));
        total
    }
}

/// The mean of differences, issue by issue, in percentage points with its interval.
fn difference(differences: &[f64]) -> String {
    let mean = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
    let groups: Vec<(usize, f64)> = differences.iter().copied().enumerate().collect();
    let points = |share: f64| format!("{:+.0}", share * 100.0);
    match bootstrap(&groups, "compare repair") {
        None => format!("{} pp", points(mean)),
        Some(interval) => format!(
            "{} pp ({} to {})",
            points(mean),
            points(interval.low),
            points(interval.high)
        ),
    }
}

/// Memories as a table; differences are to the first, issue by issue, with intervals of 95 %.
pub fn table(entries: &[Entry]) -> String {
    let Some(first) = entries.first() else {
        return String::new();
    };
    let graded = first.issues.iter().all(|issue| issue.resolved.is_some());
    let solved = |issue: &Issue| match issue.resolved {
        Some(resolved) => f64::from(u8::from(resolved)),
        None => f64::from(u8::from(issue.accepted)),
    };
    let mut text = format!(
        "| memory | {} | against {} | script accepted | patch accepted | scripts | rounds | calls | tokens | dollars | from memory |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        if graded { "resolved" } else { "accepted" },
        first.memory
    );
    let baseline = first.values(solved);
    for entry in entries {
        let values = entry.values(solved);
        let issues = values.len();
        let count =
            |of: &dyn Fn(&Issue) -> bool| entry.issues.iter().filter(|issue| of(issue)).count();
        let mean = |of: &dyn Fn(&Issue) -> usize| {
            let sum: usize = entry.issues.iter().map(of).sum();
            sum as f64 / issues.max(1) as f64
        };
        let against = match entry.memory == first.memory {
            true => "–".to_owned(),
            false => {
                let differences: Vec<f64> =
                    values.iter().zip(&baseline).map(|(a, b)| a - b).collect();
                difference(&differences)
            }
        };
        let total = entry.total();
        text.push_str(&format!(
            "| {} | {:.0} of {issues} | {against} | {} | {} | {:.1} | {:.1} | {} | {} | {:.4} | {} |\n",
            entry.memory,
            values.iter().sum::<f64>(),
            count(&|issue| issue.shown),
            count(&|issue| issue.accepted),
            mean(&|issue| issue.scripts),
            mean(&|issue| issue.rounds),
            total.calls,
            total.prompt_tokens + total.completion_tokens,
            total.cost,
            total.recalled,
        ));
    }
    text
}
