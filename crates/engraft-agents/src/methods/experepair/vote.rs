//! Choosing the patch without a model: Agentless' vote on what was written most often.

use std::{collections::HashSet, iter::repeat_n, path::Path};

use serde_json::json;

use super::{Candidate, Ran, Validated, stage};
use crate::{
    Desk, DeskError,
    edits::Language,
    python::{strings::strip, without_comments_and_docstrings},
    selection::{self, Evidence},
};

/// There are no regression tests to ask.
const EVIDENCE: Evidence = Evidence {
    regression: false,
    reproduction: true,
};

/// Each patch has as many votes as answers it was in, and patches that make the same program are one. What makes
/// the program that was there comes last, as it came.
pub(super) fn vote(
    desk: &Desk<'_>,
    pool: &[Candidate],
    made: &mut Validated,
) -> Result<(), DeskError> {
    let passing = passing(pool);
    let forms = pool.iter().map(|candidate| form(desk, candidate));
    let forms: Vec<String> = forms.collect::<Result<_, _>>()?;
    let votes = pool.iter().enumerate();
    let votes: Vec<usize> = votes
        .flat_map(|(number, candidate)| repeat_n(number, candidate.written))
        .collect();
    let candidates: Vec<selection::Candidate<'_>> = votes
        .iter()
        .map(|&number| selection::Candidate {
            patch: &pool[number].patch,
            normalised: &forms[number],
            regression_failures: 0,
            reproduction_passed: passing[number],
        })
        .collect();
    let ranked = selection::majority_ranking(&candidates, EVIDENCE).into_iter();
    let unchanged = (0..pool.len()).filter(|&number| forms[number].is_empty());
    let ranked = ranked.map(|vote| votes[vote]).chain(unchanged);
    made.ranked = ranked.map(|number| pool[number].patch.clone()).collect();
    record(desk, pool, (&passing, &forms))?;
    desk.record
        .rows(stage::VALIDATE, "ranked_final_patch.jsonl", &made.ranked)?;
    Ok(())
}

/// What each patch of the pool went into the vote with.
fn record(
    desk: &Desk<'_>,
    pool: &[Candidate],
    (passing, forms): (&[bool], &[String]),
) -> Result<(), DeskError> {
    let row = |number: usize| {
        let same = |other: &usize| forms[*other] == forms[number];
        json!({
            "patch_content": pool[number].patch,
            "written": pool[number].written,
            "reproduction_passed": passing[number],
            "changes_program": !forms[number].is_empty(),
            "same_program_as": (0..number).find(same),
        })
    };
    let rows: Vec<_> = (0..pool.len()).map(row).collect();
    Ok(desk.record.rows(stage::VALIDATE, "votes.jsonl", &rows)?)
}

/// Whether each patch repairs the issue by the script: the review says so, or the script prints what it prints
/// with one of which the review says so. Siblings and repetitions are not reviewed themselves.
fn passing(pool: &[Candidate]) -> Vec<bool> {
    let output = |ran: &Ran| (strip(&ran.stdout).to_owned(), strip(&ran.stderr).to_owned());
    let correct = pool.iter().filter(|candidate| candidate.correct);
    let right: HashSet<(String, String)> = correct
        .filter_map(|candidate| candidate.reproduction.as_ref().map(output))
        .collect();
    let passes = |candidate: &Candidate| {
        let ran = candidate.reproduction.as_ref();
        candidate.correct || ran.is_some_and(|ran| right.contains(&output(ran)))
    };
    pool.iter().map(passes).collect()
}

/// What a patch makes of the program, without comments, docstrings and layout where the language is known; empty if
/// that is the program that was there.
fn form(desk: &Desk<'_>, candidate: &Candidate) -> Result<String, DeskError> {
    let read = || -> Vec<Option<String>> {
        let texts = candidate.files.iter().map(|path| {
            let text = desk.copy.read(Path::new(path)).ok()?;
            Some(normal(path, text))
        });
        texts.collect()
    };
    desk.copy.reset()?;
    let before = read();
    desk.copy.apply(&candidate.patch)?;
    let after = read();
    desk.copy.reset()?;
    let files = candidate.files.iter().zip(before.iter().zip(&after));
    let changed: Vec<_> = files
        .filter(|(_, (before, after))| before != after)
        .map(|(path, (_, after))| (path, after))
        .collect();
    Ok(match changed.is_empty() {
        true => String::new(),
        false => json!(changed).to_string(),
    })
}

fn normal(path: &str, text: String) -> String {
    match Language::of(path) {
        Language::Python => without_comments_and_docstrings(&text).unwrap_or(text),
        Language::Other => text,
    }
}
