//! Rules with votes, so that a list sorts itself: what is agreed with rises, what is rejected goes.
//!
//! A model looks at experience and writes lines `OPERATION number: text`; [`parse_rules`] reads them and
//! [`update_rules`] applies them. The operations and their weights are those of ExpeL (arXiv 2308.10144).

use std::{cmp::Reverse, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::retrieval::tokens::strip;

/// Rules that a list should have at most; [`list_full`] says when it is time to press.
pub const MOST_RULES: usize = 20;
/// How far a list may go beyond that before it counts as full.
const SLACK: usize = 5;
/// Votes of a rule that is new.
pub const START: i64 = 2;
/// Votes that a removal costs where there is room, and in a full list.
const REMOVAL: i64 = 1;
const REMOVAL_WHEN_FULL: i64 = 3;

/// `OPERATION number: `, what may stand in front of the text again, and the text to the end of the line.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(REMOVE|EDIT|ADD|AGREE)( \d+|): (?:[a-zA-Z\s\x1c-\x1f\d]+: |)(.*)";
    Regex::new(pattern).expect("a pattern that parses")
});

/// A rule and how many votes it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub text: String,
    pub votes: i64,
}

/// What can be done to a list of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Add,
    Edit,
    Agree,
    Remove,
}

impl Verb {
    /// As models write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Edit => "EDIT",
            Self::Agree => "AGREE",
            Self::Remove => "REMOVE",
        }
    }
}

/// A line of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOperation {
    pub verb: Verb,
    /// The number of the rule that is meant, from 1, where one is given. New rules have none.
    pub number: Option<usize>,
    pub text: String,
}

/// Whether a list is so long that removals should count more.
pub fn list_full(rules: usize, most: usize) -> bool {
    rules >= most + SLACK
}

/// The operations that a text holds. Lines that quote operations and lines that do not end with a period
/// are left out: the first are about the format, the second were cut off.
pub fn parse_rules(text: &str) -> Vec<RuleOperation> {
    let operations = LINE.captures_iter(text).filter_map(|found| {
        let text = strip(found.get(3)?.as_str());
        let quotes = ["ADD", "AGREE", "EDIT"]
            .iter()
            .any(|word| text.contains(word));
        if quotes || !text.ends_with('.') {
            return None;
        }
        let verb = match found.get(1)?.as_str() {
            "ADD" => Verb::Add,
            "EDIT" => Verb::Edit,
            "AGREE" => Verb::Agree,
            _ => Verb::Remove,
        };
        let number = Some(strip(found.get(2)?.as_str())).filter(|number| !number.is_empty());
        // A number too large to hold is beyond every list.
        let number = number.map(|number| number.parse().unwrap_or(usize::MAX));
        Some(RuleOperation {
            verb,
            number: number.filter(|_| verb != Verb::Add),
            text: text.to_owned(),
        })
    });
    operations.collect()
}

/// What an operation comes to on a list, with the place of the rule it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Votes for (positive) or against (negative) a rule.
    Vote { place: usize, by: i64 },
    /// Other words, and a vote for them.
    Edit { place: usize, text: String },
    /// A new rule with [`START`] votes.
    Add { text: String },
}

impl Effect {
    /// Votes against first, new rules last, so that places stay what they are.
    fn turn(&self) -> u8 {
        match self {
            Self::Vote { by: ..0, .. } => 0,
            Self::Vote { .. } => 1,
            Self::Edit { .. } => 2,
            Self::Add { .. } => 3,
        }
    }
}

/// What operations come to, in the order in which they are applied: a rule is taken for the one meant if the
/// operation's text holds its text. An edit that only repeats a rule is agreement, a new rule that
/// repeats one is none, and whatever names no rule of the list is left out.
///
/// In a `full` list a removal costs 3 votes, otherwise 1.
pub fn effects(rules: &[Rule], operations: &[RuleOperation], full: bool) -> Vec<Effect> {
    let mut effects: Vec<Effect> = operations
        .iter()
        .filter_map(|operation| effect(rules, operation, full))
        .collect();
    effects.sort_by_key(Effect::turn);
    effects
}

/// Applies operations. Rules without votes go; the others are sorted by votes, ties as they were.
pub fn update_rules(mut rules: Vec<Rule>, operations: &[RuleOperation], full: bool) -> Vec<Rule> {
    for effect in effects(&rules, operations, full) {
        match effect {
            Effect::Vote { place, by } => rules[place].votes += by,
            Effect::Edit { place, text } => {
                rules[place].text = text;
                rules[place].votes += 1;
            }
            Effect::Add { text } => rules.push(Rule { text, votes: START }),
        }
    }
    rules.retain(|rule| rule.votes > 0);
    rules.sort_by_key(|rule| Reverse(rule.votes));
    rules
}

fn effect(rules: &[Rule], operation: &RuleOperation, full: bool) -> Option<Effect> {
    let held = |rule: &Rule| operation.text.contains(&rule.text);
    let known = rules.iter().position(held);
    let text = || operation.text.clone();
    let vote = |by| known.map(|place| Effect::Vote { place, by });
    match (operation.verb, known) {
        (Verb::Add, None) => Some(Effect::Add { text: text() }),
        (Verb::Add, Some(_)) => None,
        (Verb::Edit | Verb::Agree, Some(_)) => vote(1),
        (Verb::Edit, None) => {
            let place = operation.number?.checked_sub(1)?;
            (place < rules.len()).then(|| Effect::Edit {
                place,
                text: text(),
            })
        }
        (Verb::Agree, None) => None,
        (Verb::Remove, _) => vote(if full { -REMOVAL_WHEN_FULL } else { -REMOVAL }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, i64)]) -> Vec<Rule> {
        let rules = rules.iter().map(|&(text, votes)| Rule {
            text: text.to_owned(),
            votes,
        });
        rules.collect()
    }

    #[test]
    fn a_rule_that_is_agreed_with_survives_one_that_is_rejected_dies() {
        let mut list = rules(&[("Retry always.", 2), ("Print inputs.", 2)]);
        let critique = "AGREE 2: Print inputs.\nREMOVE 1: Retry always.";
        for _ in 0..2 {
            list = update_rules(list, &parse_rules(critique), false);
        }
        assert_eq!(list, rules(&[("Print inputs.", 4)]));
    }

    #[test]
    fn a_full_list_lets_go_at_once() {
        let list = rules(&[("Retry always.", 3)]);
        let operations = parse_rules("REMOVE 1: Retry always.");
        assert_eq!(update_rules(list.clone(), &operations, false).len(), 1);
        assert_eq!(update_rules(list, &operations, true).len(), 0);
        assert!(list_full(25, MOST_RULES) && !list_full(24, MOST_RULES));
    }

    #[test]
    fn numbers_that_no_rule_has_change_nothing() {
        let list = rules(&[("Print inputs.", 2)]);
        let operations =
            parse_rules("EDIT 0: A.\nEDIT 2: B.\nEDIT: C.\nEDIT 99999999999999999999: D.");
        assert_eq!(operations.len(), 4);
        assert_eq!(update_rules(list.clone(), &operations, false), list);
    }
}
