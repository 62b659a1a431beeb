//! Demonstrations: a failed attempt with the first later success.

use serde::{Deserialize, Serialize};

use super::{PatchAttempt, TestAttempt};

/// What was wrong on an issue and what was right, in the form of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demonstration<A> {
    pub issue_description: String,
    #[serde(flatten)]
    pub attempt: A,
}

/// For each attempt that began without a right script: its old script and the first script from there on
/// that shows the bug. Attempts without such a one teach nothing.
pub fn test_demonstrations(
    issue: &str,
    attempts: &[TestAttempt],
) -> Vec<Demonstration<TestAttempt>> {
    let wrong = attempts.iter().enumerate();
    let wrong = wrong.filter(|(_, attempt)| attempt.began_wrong());
    let pairs = wrong.filter_map(|(index, old)| {
        let new = attempts[index..]
            .iter()
            .find(|new| new.succeeded())?
            .clone();
        Some(Demonstration {
            issue_description: issue.to_owned(),
            attempt: TestAttempt {
                old_test: old.old_test.clone(),
                old_exec_result: old.old_exec_result.clone(),
                old_returncode: old.old_returncode,
                old_check_repro: old.old_check_repro.clone(),
                ..new
            },
        })
    });
    pairs.collect()
}

/// The same for patches: each wrong patch and the first right one after it.
///
/// With `compat` as the official code has it, which asks whether the attempt itself succeeded, so that only
/// the last step of an issue is kept. That is a slip; leave it off.
pub fn patch_demonstrations(
    issue: &str,
    attempts: &[PatchAttempt],
    compat: bool,
) -> Vec<Demonstration<PatchAttempt>> {
    let steps = attempts.iter().enumerate();
    let steps = steps.filter(|(_, attempt)| !attempt.old_patch.is_empty());
    let pairs = steps.filter_map(|(index, old)| {
        let new = if compat {
            Some(old).filter(|old| old.new_result)
        } else {
            let mut later = attempts[index..].iter();
            later.find(|new| new.new_result).filter(|_| !old.old_result)
        };
        let new = new?.clone();
        Some(Demonstration {
            issue_description: issue.to_owned(),
            attempt: PatchAttempt {
                old_patch: old.old_patch.clone(),
                old_result: old.old_result,
                ..new
            },
        })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patches `0` (none), `1`, `2`, `3`, of which the last is right.
    fn attempts() -> Vec<PatchAttempt> {
        let attempts = ["", "1", "2"].iter().zip(["1", "2", "3"]);
        let attempts = attempts.map(|(old, new)| PatchAttempt {
            old_patch: (*old).to_owned(),
            old_result: false,
            new_patch: new.to_owned(),
            new_result: new == "3",
        });
        attempts.collect()
    }

    fn pairs(compat: bool) -> Vec<(String, String)> {
        let demonstrations = patch_demonstrations("issue", &attempts(), compat);
        let pairs = demonstrations
            .into_iter()
            .map(|demonstration| demonstration.attempt);
        pairs
            .map(|attempt| (attempt.old_patch, attempt.new_patch))
            .collect()
    }

    #[test]
    fn every_wrong_patch_is_paired_with_the_right_one() {
        let pair = |old: &str| (old.to_owned(), "3".to_owned());
        assert_eq!(pairs(false), [pair("1"), pair("2")]);
    }

    #[test]
    fn the_official_code_keeps_the_last_step_only() {
        assert_eq!(pairs(true), [("2".to_owned(), "3".to_owned())]);
    }
}
