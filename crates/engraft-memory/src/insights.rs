//! Short general rules, a bounded list for each role, changed by operations that a model writes.
//!
//! The list and its operations are those of ExpeRepair (arXiv 2506.10484): numbers in operations are those
//! of the list as the model saw it, so removals shift the ones after them. [`counters`] adds votes, so
//! that rules which help stay and others go.

mod check;
pub mod counters;

use std::collections::BTreeSet;

pub use check::CHECKS;
use serde::{Deserialize, Serialize};

use crate::retrieval::tokens::strip;

/// Rules that a role keeps and a prompt shows.
pub const MOST_INSIGHTS: usize = 15;

/// The rules of both roles, first the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insights {
    /// Of the one who writes tests.
    #[serde(rename = "tester_exps", default)]
    pub tester: Vec<String>,
    /// Of the one who writes patches.
    #[serde(rename = "coder_exps", default)]
    pub coder: Vec<String>,
}

/// What a model wants changed, for both roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Revisions {
    #[serde(rename = "tester_exps", default)]
    pub tester: Vec<Revision>,
    #[serde(rename = "coder_exps", default)]
    pub coder: Vec<Revision>,
}

/// One change of a list. Numbers start at 1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Revision {
    Add {
        experience: String,
    },
    Remove {
        number: i64,
    },
    Edit {
        number: i64,
        experience: String,
    },
    /// An operation that there is not. It changes nothing.
    Unknown {
        operation: String,
    },
}

/// A revision as models write it: every operation with all fields, numbers as numbers or as text.
#[derive(Deserialize)]
struct Written {
    operation: String,
    #[serde(default)]
    number: Option<Number>,
    #[serde(default)]
    experience: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(i64),
    Text(String),
}

impl TryFrom<Written> for Revision {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let operation = written.operation;
        let number = match written.number {
            Some(Number::Integer(number)) => Some(number),
            Some(Number::Text(text)) => strip(&text).parse().ok(),
            None => None,
        };
        let number = || {
            let problem =
                || format!("`number` of {operation} is not a whole number; give the rule's");
            number.ok_or_else(problem)
        };
        let experience = written.experience.unwrap_or_default();
        match operation.as_str() {
            "ADD" => Ok(Self::Add { experience }),
            "REMOVE" => number().map(|number| Self::Remove { number }),
            "EDIT" => number().map(|number| Self::Edit { number, experience }),
            _ => Ok(Self::Unknown { operation }),
        }
    }
}

impl Insights {
    /// Applies all changes, and cuts both lists to [`MOST_INSIGHTS`].
    ///
    /// With `compat` the tester's list is not cut, as in the second copy of the official applier
    /// (`review_manage_ase.py`); that is a slip of the code, so leave it off.
    pub fn apply(&mut self, revisions: &Revisions, compat: bool) {
        let cut = if compat { usize::MAX } else { MOST_INSIGHTS };
        apply(&mut self.tester, &revisions.tester, cut);
        apply(&mut self.coder, &revisions.coder, MOST_INSIGHTS);
    }
}

/// Applies changes to one list in their order and cuts it to `most`. Numbers that the list does not have,
/// or no longer, change nothing.
pub fn apply(insights: &mut Vec<String>, revisions: &[Revision], most: usize) {
    let mut removed = BTreeSet::new();
    // Where the rule of a number is now, if it is there.
    let place = |number: i64, removed: &BTreeSet<i64>, len: usize| {
        let before = removed.range(..number).count();
        let place = usize::try_from(number.checked_sub(1)?)
            .ok()?
            .checked_sub(before)?;
        (place < len).then_some(place)
    };
    for revision in revisions {
        match revision {
            Revision::Add { experience } => insights.push(experience.clone()),
            Revision::Remove { number } => {
                if let Some(place) = place(*number, &removed, insights.len()) {
                    insights.remove(place);
                    removed.insert(*number);
                }
            }
            Revision::Edit { number, experience } => {
                if let Some(place) = place(*number, &removed, insights.len()) {
                    insights[place].clone_from(experience);
                }
            }
            Revision::Unknown { .. } => {}
        }
    }
    insights.truncate(most);
}

/// A list as a prompt shows it: numbered lines, at most [`MOST_INSIGHTS`].
pub fn render(insights: &[String]) -> String {
    let shown = insights.iter().zip(1..=MOST_INSIGHTS);
    let lines: Vec<String> = shown
        .map(|(insight, number)| format!("{number}. {}", strip(insight)))
        .collect();
    strip(&lines.join("\n")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(json: &str) -> Result<Revision, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn numbers_are_those_of_the_list_as_it_was_shown() {
        let mut list: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let edit = Revision::Edit {
            number: 4,
            experience: "D".to_owned(),
        };
        let remove = |number| Revision::Remove { number };
        apply(
            &mut list,
            &[remove(1), edit, remove(2), remove(0), remove(i64::MIN)],
            15,
        );
        assert_eq!(list, ["c", "D"]);
    }

    #[test]
    fn a_number_may_be_written_as_text_and_must_be_one() {
        let read = revision(r#"{"operation": "REMOVE", "number": " 2 "}"#).unwrap();
        assert_eq!(read, Revision::Remove { number: 2 });
        let error = revision(r#"{"operation": "EDIT", "number": "two", "experience": "x"}"#);
        assert!(error.unwrap_err().to_string().contains("`number` of EDIT"));
        assert!(revision(r#"{"operation": "ADD", "experience": "x"}"#).is_ok());
    }

    #[test]
    fn the_list_stays_bounded_whatever_is_added() {
        let add = Revision::Add {
            experience: "x".to_owned(),
        };
        let revisions = Revisions {
            tester: vec![add.clone(); 40],
            coder: vec![add; 40],
        };
        let mut insights = Insights::default();
        insights.apply(&revisions, false);
        assert_eq!((insights.tester.len(), insights.coder.len()), (15, 15));
    }
}
