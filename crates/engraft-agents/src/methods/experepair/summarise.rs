//! The semantic channel: what an issue taught, as votes on short rules.
//!
//! After each issue the model sees the list of each role and that role's attempts (wrong → right steps, and
//! one that failed) and changes the list by at most three lines. Rules of the store are never rewritten: an
//! edit is an entry of the log, a rule that is spoken against often enough is removed and stays in the log.

use engraft_memory::{
    Change, Draft, Item, Kind,
    insights::{
        counters::{Effect, Rule, RuleOperation, START, effects, parse_rules},
        render,
    },
};
use serde::{Deserialize, Serialize};

use super::{ExpeRepair, Generated, Reproduced, recall::Experience, stage};
use crate::{Desk, DeskError, desk::Who};

/// Lines by which a role's list may change after one issue.
const MOST_CHANGES: usize = 3;

/// What was learnt: the lines of the model that counted, by role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Learnt {
    pub tester: Vec<String>,
    pub coder: Vec<String>,
}

pub(super) fn summarise(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    reproduced: &Reproduced,
    generated: &Generated,
    made: &mut Learnt,
) -> Result<(), DeskError> {
    made.tester = learn(
        desk,
        settings,
        experience,
        "tester",
        &test_steps(reproduced),
    )?;
    made.coder = learn(desk, settings, experience, "coder", &patch_steps(generated))?;
    Ok(())
}

/// The attempts at the script, or nothing if there is nothing to compare.
fn test_steps(reproduced: &Reproduced) -> String {
    let mut text = String::new();
    for attempt in &reproduced.attempts {
        text.push_str(&format!(
            "Attempt (shows the issue: {}):\n{}\nprinted:\n{}\n\n",
            attempt.new_check_repro.reproduces, attempt.new_test, attempt.new_exec_result
        ));
    }
    text
}

fn patch_steps(generated: &Generated) -> String {
    let mut text = String::new();
    for attempt in &generated.attempts {
        let verdict = if attempt.new_result { "YES" } else { "NO" };
        text.push_str(&format!(
            "Attempt (repairs the issue: {verdict}):\n{}\n\n",
            attempt.new_patch
        ));
    }
    text
}

fn learn(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    role: &str,
    steps: &str,
) -> Result<Vec<String>, DeskError> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let items = experience.rule_items(role, desk.task)?;
    let rules: Vec<Rule> = items.iter().map(rule).collect();
    let full = rules.len() >= settings.effort.insights;
    let texts: Vec<String> = rules.iter().map(|rule| rule.text.clone()).collect();
    let slots = desk
        .slots()
        .text("role", role)
        .text("rules", render(&texts))
        .text("steps", steps)
        .number("most", MOST_CHANGES)
        .flag("full", full);
    let answer = desk.ask(stage::SUMMARISE, Who::Main, "insights", slots, 0.0)?;
    let mut operations = parse_rules(&answer);
    operations.truncate(MOST_CHANGES);
    let effects = effects(&rules, &operations, full);
    let changes = changes(
        desk,
        experience,
        role,
        &items,
        &effects,
        settings.effort.insights,
    );
    experience.change(changes)?;
    experience.trim_rules(role, desk.task)?;
    let line = |operation: &RuleOperation| format!("{} {}", operation.verb.name(), operation.text);
    Ok(operations.iter().map(line).collect())
}

fn rule(item: &Item) -> Rule {
    Rule {
        text: item.content.text.clone(),
        votes: item.content.votes,
    }
}

/// Effects on the list as changes of the memory, those together that make sense together only. What goes beyond the cap is removed, the least voted for first.
fn changes(
    desk: &Desk<'_>,
    experience: &Experience<'_>,
    role: &str,
    items: &[Item],
    effects: &[Effect],
    most: usize,
) -> Vec<Vec<Change>> {
    let mut changes = Vec::new();
    let mut votes: Vec<i64> = items.iter().map(|item| item.content.votes).collect();
    let mut added = 0;
    for effect in effects {
        match effect {
            Effect::Vote { place, by } => {
                votes[*place] += by;
                let id = items[*place].id.clone();
                changes.push(vec![Change::Vote { id, by: *by }]);
            }
            Effect::Edit { place, text } => {
                votes[*place] += 1;
                let id = items[*place].id.clone();
                let edit = Change::Edit {
                    id: id.clone(),
                    text: Some(text.clone()),
                    data: None,
                };
                changes.push(vec![edit, Change::Vote { id, by: 1 }]);
            }
            Effect::Add { text } => {
                added += 1;
                changes.push(vec![Change::Add(Draft {
                    kind: Kind::Insight,
                    scope: String::new(),
                    role: role.to_owned(),
                    text: text.clone(),
                    data: serde_json::Value::Null,
                    happened: desk.task.created,
                    votes: START,
                    source: experience.source(desk.task),
                })]);
            }
        }
    }
    let mut kept: Vec<usize> = Vec::new();
    for (rule, item) in items.iter().enumerate() {
        match votes[rule] <= 0 && !item.pinned {
            true => changes.push(vec![remove(item, "no votes left")]),
            false => kept.push(rule),
        }
    }
    kept.sort_by_key(|rule| (items[*rule].pinned, votes[*rule]));
    let beyond = (kept.len() + added).saturating_sub(most);
    let weakest = kept
        .into_iter()
        .filter(|rule| !items[*rule].pinned)
        .take(beyond);
    changes.extend(weakest.map(|rule| vec![remove(&items[rule], "the list is full")]));
    changes
}

fn remove(item: &Item, reason: &str) -> Change {
    Change::Remove {
        id: item.id.clone(),
        reason: reason.to_owned(),
    }
}
