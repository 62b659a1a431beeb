//! `selection: vote`: no model chooses, and the repair that was written most often is handed in.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use engraft_agents::{
    ChatModel,
    methods::experepair::{Selection, stage},
};

use crate::{
    policy::{Scripted, edit, good, task},
    run::{Bench, ISSUE, adder},
};

/// What only a panel asks for.
const OF_THE_PANEL: [&str; 3] = [
    "test around the issue",
    "choose the right outputs",
    "rank the patches",
];

/// Writes these last lines one after the other, finds those with these numbers correct, and ranks the first as best.
fn writes(lines: &'static [&'static str], correct: &'static [usize]) -> Scripted {
    let written = AtomicUsize::new(0);
    Scripted::new(move |request| match task(request) {
        "repair the issue" => edit(lines[written.fetch_add(1, Ordering::Relaxed)]),
        "review the patches" => {
            format!("<rank_patch>[0]</rank_patch><correct_patch>{correct:?}</correct_patch>")
        }
        "choose the right outputs" => "<correct_group>[0, 1, 2]</correct_group>".to_owned(),
        _ => good(request),
    })
}

/// One round of this many patches without siblings.
fn bench(selection: Selection, candidates: usize) -> Bench {
    let mut bench = Bench::new();
    bench.settings.effort.selection = selection;
    bench.settings.effort.candidates = candidates;
    bench.settings.effort.siblings = 0;
    bench.settings.effort.rounds = 0;
    bench
}

/// The last lines of the programs that patches make, the best first.
fn ranked(
    selection: Selection,
    lines: &'static [&'static str],
    correct: &'static [usize],
) -> Vec<String> {
    let user = adder();
    let bench = bench(selection, lines.len());
    let done = bench.one(&writes(lines, correct), user.path(), ISSUE);
    let ranked = done.result.unwrap().validated.ranked;
    let file = "results/validation/owner__calc/calc-1/ranked_final_patch.jsonl";
    let rows = fs::read_to_string(bench.out().join(file)).unwrap();
    let rows: Vec<String> = rows
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(rows, ranked);
    ranked.iter().map(|patch| last_line(patch)).collect()
}

fn last_line(patch: &str) -> String {
    let line = patch.lines().rfind(|line| line.starts_with("+    "));
    line.unwrap_or_default()[5..].to_owned()
}

#[test]
fn a_vote_asks_all_that_a_panel_asks_but_what_only_the_panel_needs() {
    let user = adder();
    let asked = |selection| {
        let model = writes(&["return b + a", "return a + b"], &[0, 1]);
        let bench = bench(selection, 2);
        let done = bench.one(&model, user.path(), ISSUE);
        assert!(done.result.is_ok());
        assert_eq!(bench.finished("calc-1"), stage::ALL);
        let asked = model.asked();
        asked
            .iter()
            .map(|request| task(request).to_owned())
            .collect::<Vec<_>>()
    };
    let (panel, vote) = (asked(Selection::Panel), asked(Selection::Vote));
    let (only, both): (Vec<_>, Vec<_>) = panel
        .into_iter()
        .partition(|task| OF_THE_PANEL.contains(&task.as_str()));
    assert_eq!(only, OF_THE_PANEL);
    assert_eq!(vote, both);
}

#[test]
fn the_most_frequent_patch_wins_although_another_came_first() {
    const LINES: &[&str] = &[
        "return b + a",
        "return a + b",
        "return a - -b",
        "return a + b",
    ];
    assert_eq!(
        ranked(Selection::Panel, LINES, &[0, 1, 2, 3])[0],
        "return b + a"
    );
    assert_eq!(
        ranked(Selection::Vote, LINES, &[0, 1, 2, 3]),
        ["return a + b", "return b + a", "return a - -b"]
    );
}

#[test]
fn comments_do_not_split_votes_and_the_first_spelling_is_handed_in() {
    const LINES: &[&str] = &[
        "return b + a",
        "return b + a",
        "return a + b  # now it adds",
        "return a + b",
        "return a  +  b  # mended",
    ];
    assert_eq!(
        ranked(Selection::Vote, LINES, &[0, 1, 2, 3, 4]),
        ["return a + b  # now it adds", "return b + a"]
    );
}

#[test]
fn what_does_not_repair_the_issue_by_the_script_has_no_vote() {
    const LINES: &[&str] = &["return b", "return b", "return b", "return a + b"];
    assert_eq!(
        ranked(Selection::Vote, LINES, &[3]),
        ["return a + b", "return b"]
    );
    // Unless nothing repairs it.
    assert_eq!(
        ranked(Selection::Vote, LINES, &[]),
        ["return b", "return a + b"]
    );
}

#[test]
fn a_comment_alone_is_no_repair_unless_there_is_none() {
    const LINES: &[&str] = &[
        "return a - b  # adds",
        "return a - b  # adds",
        "return a + b",
    ];
    assert_eq!(
        ranked(Selection::Vote, LINES, &[0, 1, 2]),
        ["return a + b", "return a - b  # adds"]
    );
    assert_eq!(
        ranked(Selection::Vote, &LINES[..2], &[0, 1]),
        ["return a - b  # adds"]
    );
}

#[test]
fn a_sibling_that_prints_the_same_as_a_correct_patch_votes_although_nobody_reviewed_it() {
    let user = adder();
    let mut bench = bench(Selection::Vote, 2);
    bench.settings.effort.siblings = 1;
    let first = writes(&["return b", "return b + a"], &[1]);
    let model = Scripted::new(move |request| match task(request) {
        "write the better patch" => edit("c = 0\n    return b + a"),
        _ => first.ask(request).unwrap().text,
    });
    let repaired = bench.one(&model, user.path(), ISSUE).result.unwrap();
    // A completer and a simpler one, which are the same.
    assert!(
        repaired.patch().contains("+    c = 0\n"),
        "{}",
        repaired.patch()
    );
    assert!(
        bench
            .account("calc-1")
            .contains("(flaws 0), written 2 times")
    );
}

#[test]
fn a_vote_that_was_cut_short_is_held_again_with_the_same_votes() {
    const LINES: &[&str] = &["return b + a", "return a + b", "return a + b"];
    let user = adder();
    let bench = bench(Selection::Vote, 3);
    let first = bench.one(&writes(LINES, &[0, 1, 2]), user.path(), ISSUE);
    let first = first.result.unwrap().validated;
    fs::remove_dir_all(bench.out().join("results/validation")).unwrap();
    let model = Scripted::new(|request| panic!("asked to {}", task(request)));
    let again = bench.one(&model, user.path(), ISSUE).result.unwrap();
    assert_eq!(again.validated, first);
    assert_eq!(last_line(again.patch()), "return a + b");
}

#[test]
fn a_patch_that_the_review_accepts_in_a_later_round_counts_as_accepted() {
    let user = adder();
    let (written, reviewed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let model = Scripted::new(move |request| match task(request) {
        "repair the issue" | "mend the patch" => {
            written.fetch_add(1, Ordering::Relaxed);
            edit("return b + a")
        }
        "review the patches" => {
            let correct = reviewed.fetch_add(1, Ordering::Relaxed);
            let correct = if correct == 0 { "[]" } else { "[0]" };
            format!("<rank_patch>[0]</rank_patch><correct_patch>{correct}</correct_patch>")
        }
        _ => good(request),
    });
    let mut bench = bench(Selection::Vote, 1);
    bench.settings.effort.rounds = 1;
    let done = bench.one(&model, user.path(), ISSUE);
    let pool = done.result.unwrap().generated.pool;
    assert_eq!(pool.len(), 1);
    assert!(pool[0].correct);
    assert_eq!(pool[0].written, 2);
}
