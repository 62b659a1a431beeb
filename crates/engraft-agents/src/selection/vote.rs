//! Agentless's vote: among the patches that the tests leave, the one that was written most often.

use std::{cmp::Reverse, collections::HashMap};

use crate::python::strings;

/// A patch with what tests said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// As it is submitted.
    pub patch: &'a str,
    /// The form in which equal patches are equal; blank for a patch that changes nothing.
    pub normalised: &'a str,
    /// Tests that passed before and fail now.
    pub regression_failures: usize,
    /// The script that showed the issue shows it no more.
    pub reproduction_passed: bool,
}

/// Which tests have a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub regression: bool,
    pub reproduction: bool,
}

/// The number of the patch to submit: of those with the fewest regression failures, and a passing
/// reproduction if one of them has it, the most frequent in its normalised form, at the earliest place.
/// If tests leave nothing, all patches vote; `None` if all are empty.
pub fn majority_vote(candidates: &[Candidate<'_>], evidence: Evidence) -> Option<usize> {
    let all: Vec<usize> = (0..candidates.len())
        .filter(|&number| !key(&candidates[number]).is_empty())
        .collect();
    // Empty patches break nothing and may set the fewest, as in the official vote.
    let fewest = candidates.iter().map(|c| c.regression_failures).min();
    let mut left = all.clone();
    if evidence.regression {
        left.retain(|&number| Some(candidates[number].regression_failures) == fewest);
    }
    if evidence.reproduction {
        let passing = left.iter().copied();
        let passing: Vec<usize> = passing
            .filter(|&number| candidates[number].reproduction_passed)
            .collect();
        if !passing.is_empty() {
            left = passing;
        }
    }
    if left.is_empty() {
        left = all;
    }
    let mut votes: HashMap<&str, usize> = HashMap::new();
    for &number in &left {
        *votes.entry(key(&candidates[number])).or_default() += 1;
    }
    let count = |number: &usize| votes.get(key(&candidates[*number])).copied();
    left.into_iter()
        .max_by_key(|number| (count(number), Reverse(*number)))
}

/// Numbers of patches, one of each normalised form that is not blank: the winner of the vote, then the winner of
/// a vote without its form, and so on. Patches that tests kept out follow those that voted.
pub fn majority_ranking(candidates: &[Candidate<'_>], evidence: Evidence) -> Vec<usize> {
    let mut ranked = Vec::new();
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    loop {
        let voting: Vec<Candidate<'_>> = left.iter().map(|&number| candidates[number]).collect();
        let Some(winner) = majority_vote(&voting, evidence) else {
            return ranked;
        };
        ranked.push(left[winner]);
        left.retain(|&number| key(&candidates[number]) != key(&voting[winner]));
    }
}

fn key<'a>(candidate: &Candidate<'a>) -> &'a str {
    strings::strip(candidate.normalised)
}

/// The lines that a patch takes away or puts in.
pub fn modified_length(patch: &str) -> usize {
    let header = |line: &str| {
        line.chars().count() > 3 && (line.starts_with("---") || line.starts_with("+++"))
    };
    strings::lines(patch)
        .filter(|line| line.starts_with(['-', '+']) && !header(line))
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Candidate, Evidence, majority_ranking, majority_vote};

    const ALL: Evidence = Evidence {
        regression: true,
        reproduction: true,
    };

    fn candidate(normalised: &str, regression_failures: usize) -> Candidate<'_> {
        Candidate {
            patch: normalised,
            normalised,
            regression_failures,
            reproduction_passed: false,
        }
    }

    #[test]
    fn if_only_an_empty_patch_breaks_the_fewest_all_others_vote() {
        let candidates = [
            candidate("", 0),
            candidate("a", 1),
            candidate("b", 2),
            candidate("b", 3),
        ];
        assert_eq!(majority_vote(&candidates, ALL), Some(2));
        assert_eq!(majority_vote(&candidates[..1], ALL), None);
        assert_eq!(majority_vote(&[], ALL), None);
    }

    #[test]
    fn after_the_winner_come_fewer_votes_then_what_tests_kept_out() {
        let passes = |normalised| Candidate {
            reproduction_passed: true,
            ..candidate(normalised, 0)
        };
        let candidates = [
            candidate("fails", 0),
            candidate("fails", 0),
            candidate("fails", 0),
            passes("once"),
            passes("twice"),
            passes("also once"),
            passes("twice"),
            candidate("", 0),
            candidate("fails alone", 0),
        ];
        assert_eq!(majority_ranking(&candidates, ALL), [4, 3, 5, 0, 8]);
    }

    proptest! {
        #[test]
        fn the_ranking_begins_with_the_winner_and_holds_each_form_once(
            drawn in prop::collection::vec(("[ab]{0,2} ?", 0..2_usize, any::<bool>()), 0..9),
        ) {
            let candidates: Vec<Candidate<'_>> = drawn
                .iter()
                .map(|(normalised, failures, passed)| Candidate {
                    reproduction_passed: *passed,
                    ..candidate(normalised, *failures)
                })
                .collect();
            let ranked = majority_ranking(&candidates, ALL);
            prop_assert_eq!(ranked.first().copied(), majority_vote(&candidates, ALL));
            let mut listed: Vec<&str> = ranked.iter().map(|&number| drawn[number].0.trim()).collect();
            listed.sort_unstable();
            let mut forms: Vec<&str> = drawn.iter().map(|(form, ..)| form.trim()).collect();
            forms.sort_unstable();
            forms.dedup();
            forms.retain(|form| !form.is_empty());
            prop_assert_eq!(listed, forms);
        }
    }
}
