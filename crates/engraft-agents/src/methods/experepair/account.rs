//! A readable account of what was tried on an issue.

use std::{collections::BTreeMap, fmt::Write};

use super::{Repaired, stage};
use crate::{chat::meter::Spent, task::Task};

/// Markdown: the outcome, the script, what was tried, what it cost.
pub fn account(task: &Task, repaired: &Repaired, spent: &BTreeMap<String, Spent>) -> String {
    let mut text = format!("# {}\n\n{}\n", task.id, outcome(repaired));
    let mut section = |heading: &str, body: String| {
        if !body.trim().is_empty() {
            let _ = write!(text, "\n## {heading}\n\n{}\n", body.trim_end());
        }
    };
    section("Issue", quoted(&task.issue));
    section("Patch", fenced("diff", repaired.patch()));
    section("The script that shows the issue", script(repaired));
    section("Where it was looked for", places(repaired));
    section("What was tried", tried(repaired));
    section("What it took", table(spent));
    text
}

fn outcome(repaired: &Repaired) -> String {
    let found = repaired
        .generated
        .pool
        .iter()
        .filter(|candidate| candidate.correct)
        .count();
    let pool = repaired.generated.pool.len();
    let mut text = match (repaired.patch().is_empty(), &repaired.reproduced.accepted) {
        (true, _) => "No patch could be applied.".to_owned(),
        (false, Some(_)) => format!(
            "A patch was chosen among {pool}; the review found {found} of them to repair the issue by the script."
        ),
        (false, None) => format!(
            "A patch was chosen among {pool}. No script was accepted as showing the issue, so nothing shows that it repairs it."
        ),
    };
    if let Some(why) = &repaired.ended {
        let _ = write!(text, " The work ended early: {why}.");
    }
    text
}

fn script(repaired: &Repaired) -> String {
    let Some((test, ran)) = &repaired.reproduced.accepted else {
        return match repaired.reproduced.attempts.len() {
            0 => String::new(),
            tries => format!("{tries} scripts were run, none was accepted."),
        };
    };
    format!(
        "{}\nBefore the patch it printed:\n\n{}",
        fenced("python", test),
        fenced("", &ran.text())
    )
}

fn places(repaired: &Repaired) -> String {
    let mut text = String::new();
    for place in &repaired.localised.snippets {
        let lines = place.lines;
        let _ = writeln!(
            text,
            "- {} lines {} to {}",
            place.path, lines.first, lines.last
        );
    }
    text
}

fn tried(repaired: &Repaired) -> String {
    let mut text = String::new();
    for (number, attempt) in repaired.reproduced.attempts.iter().enumerate() {
        let _ = writeln!(
            text,
            "- script {number}: shows the issue: {}",
            attempt.new_check_repro.reproduces
        );
    }
    for (round, attempt) in repaired.generated.attempts.iter().enumerate() {
        let verdict = if attempt.new_result {
            "repairs the issue"
        } else {
            "does not repair the issue"
        };
        let _ = writeln!(
            text,
            "- round {round}: the chosen patch {verdict} by the review"
        );
    }
    for (number, candidate) in repaired.generated.pool.iter().enumerate() {
        let verdict = if candidate.correct {
            ", correct by the review"
        } else {
            ""
        };
        let syntax = if candidate.unchecked {
            "; its syntax could not be checked"
        } else {
            ""
        };
        let written = match candidate.written {
            0 | 1 => String::new(),
            times => format!(", written {times} times"),
        };
        let _ = writeln!(
            text,
            "- patch {number} ({}){written}{verdict}{syntax}",
            candidate.origin
        );
    }
    text
}

/// Calls, tokens, time, cost and memory by stage.
pub fn table(spent: &BTreeMap<String, Spent>) -> String {
    let mut text = String::from(
        "| stage | calls | prompt tokens | answer tokens | seconds | dollars | from memory |\n|---|---|---|---|---|---|---|\n",
    );
    let mut total = Spent::default();
    let mut row = |name: &str, spent: &Spent| {
        let about = if spent.estimated { "≈" } else { "" };
        let _ = writeln!(
            text,
            "| {name} | {} | {about}{} | {about}{} | {:.1} | {:.4} | {} |",
            spent.calls,
            spent.prompt_tokens,
            spent.completion_tokens,
            spent.seconds,
            spent.cost,
            spent.recalled
        );
    };
    for stage in stage::ALL {
        if let Some(spent) = spent.get(stage) {
            row(stage, spent);
            total.add(*spent);
        }
    }
    row("all", &total);
    text
}

fn quoted(text: &str) -> String {
    text.trim()
        .lines()
        .map(|line| format!("> {line}\n"))
        .collect()
}

fn fenced(language: &str, text: &str) -> String {
    match text.trim().is_empty() {
        true => String::new(),
        false => crate::compose::fenced(language, text) + "\n",
    }
}
