//! Which demonstrations resemble what is being tried.

use serde::{Deserialize, Serialize};

use crate::{
    MemoryError,
    retrieval::{FieldQuery, Fields, Group, Okapi, one_per_group, reduce_trace, tokens},
};

use super::{Demonstration, PatchAttempt, TestAttempt};

/// How much each field counts, and how many demonstrations are looked at and returned. The defaults are
/// those of ExpeRepair's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retrieval {
    pub initial: InitialWeights,
    pub feedback: FeedbackWeights,
    pub patch: PatchWeights,
    /// How many of the best are looked at: 10.
    pub candidates: usize,
    /// How many of those, of different issues, are returned: 3. A prompt shows the first.
    pub returned: usize,
}

impl Default for Retrieval {
    fn default() -> Self {
        Self {
            initial: InitialWeights::default(),
            feedback: FeedbackWeights::default(),
            patch: PatchWeights::default(),
            candidates: 10,
            returned: 3,
        }
    }
}

/// Before there is a script: the text of the issue is looked for in both fields.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InitialWeights {
    /// 0.6
    pub issue_description: f64,
    /// 0.4
    pub new_test: f64,
}

impl Default for InitialWeights {
    fn default() -> Self {
        Self {
            issue_description: 0.6,
            new_test: 0.4,
        }
    }
}

/// After a script failed: what it printed, cut down by [`reduce_trace`], and the script.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedbackWeights {
    /// 0.9
    pub old_exec_result: f64,
    /// 0.1
    pub old_test: f64,
}

impl Default for FeedbackWeights {
    fn default() -> Self {
        Self {
            old_exec_result: 0.9,
            old_test: 0.1,
        }
    }
}

/// After a patch failed: the text of the issue, and the patch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchWeights {
    /// 0.7
    pub issue_description: f64,
    /// 0.3
    pub old_patch: f64,
}

impl Default for PatchWeights {
    fn default() -> Self {
        Self {
            issue_description: 0.7,
            old_patch: 0.3,
        }
    }
}

/// What the one who writes a script has so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TestQuery<'a> {
    /// The text of the issue. Demonstrations without an old script answer.
    Initial { issue: &'a str },
    /// A script and what it printed. Demonstrations with an old script answer.
    Feedback { exec_result: &'a str, test: &'a str },
}

impl TestQuery<'_> {
    /// Whether a demonstration is in the pool for this query.
    pub fn fits(&self, attempt: &TestAttempt) -> bool {
        let first = matches!(self, Self::Initial { .. });
        attempt.old_test.is_empty() == first && attempt.succeeded()
    }
}

/// A demonstration that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retrieved {
    /// Its place in the pool.
    pub index: usize,
    pub score: f64,
}

/// Demonstrations in fields, and what is looked for in each.
pub(super) struct Search {
    pub fields: Fields<usize>,
    pub queries: Vec<FieldQuery<'static>>,
}

impl Search {
    /// Over demonstrations that go by their place, each with the texts of the queries' fields as words.
    fn new<const FIELDS: usize>(
        queries: [(&'static str, f64, Vec<String>); FIELDS],
        demonstrations: impl Iterator<Item = (usize, Group, [Vec<String>; FIELDS])>,
    ) -> Result<Self, MemoryError> {
        let names: Vec<&str> = queries.iter().map(|(name, ..)| *name).collect();
        let mut fields = Fields::new(&names, Okapi::default());
        for (index, group, words) in demonstrations {
            let words = words.iter().map(Vec::as_slice);
            let named: Vec<(&str, &[String])> = names.iter().copied().zip(words).collect();
            fields.insert(index, group, &named)?;
        }
        let queries = queries.map(|(field, weight, tokens)| FieldQuery {
            field,
            tokens,
            weight,
        });
        Ok(Self {
            fields,
            queries: queries.to_vec(),
        })
    }

    pub fn tests(
        pool: &[Demonstration<TestAttempt>],
        query: TestQuery<'_>,
        settings: &Retrieval,
    ) -> Result<Self, MemoryError> {
        let pool = pool.iter().enumerate();
        let pool = pool.filter(|(_, entry)| query.fits(&entry.attempt));
        match query {
            TestQuery::Initial { issue } => {
                let weights = settings.initial;
                let words = tokens(issue);
                let queries = [
                    (
                        "issue_description",
                        weights.issue_description,
                        words.clone(),
                    ),
                    ("new_test", weights.new_test, words),
                ];
                let pool = pool.map(|(index, entry)| {
                    let issue = &entry.issue_description;
                    let words = [tokens(issue), tokens(&entry.attempt.new_test)];
                    (index, Group::of(issue), words)
                });
                Self::new(queries, pool)
            }
            TestQuery::Feedback { exec_result, test } => {
                let weights = settings.feedback;
                let printed = |text: &str| tokens(&reduce_trace(text));
                let queries = [
                    (
                        "old_exec_result",
                        weights.old_exec_result,
                        printed(exec_result),
                    ),
                    ("old_test", weights.old_test, tokens(test)),
                ];
                let pool = pool.map(|(index, entry)| {
                    let attempt = &entry.attempt;
                    let words = [printed(&attempt.old_exec_result), tokens(&attempt.old_test)];
                    (index, Group::of(&entry.issue_description), words)
                });
                Self::new(queries, pool)
            }
        }
    }

    pub fn patches(
        pool: &[Demonstration<PatchAttempt>],
        issue: &str,
        patch: &str,
        settings: &Retrieval,
    ) -> Result<Self, MemoryError> {
        let weights = settings.patch;
        let queries = [
            (
                "issue_description",
                weights.issue_description,
                tokens(issue),
            ),
            ("old_patch", weights.old_patch, tokens(patch)),
        ];
        let pool = pool.iter().enumerate().filter(|(_, entry)| {
            let attempt = &entry.attempt;
            !attempt.old_patch.is_empty() && attempt.new_result
        });
        let pool = pool.map(|(index, entry)| {
            let issue = &entry.issue_description;
            let words = [tokens(issue), tokens(&entry.attempt.old_patch)];
            (index, Group::of(issue), words)
        });
        Self::new(queries, pool)
    }

    /// The best of different issues.
    fn retrieved(&self, settings: &Retrieval) -> Result<Vec<Retrieved>, MemoryError> {
        let best = self.fields.search(&self.queries, settings.candidates)?;
        let best = one_per_group(best, settings.returned).into_iter();
        let retrieved = best.map(|hit| Retrieved {
            index: hit.key,
            score: hit.score,
        });
        Ok(retrieved.collect())
    }
}

/// The demonstrations of scripts that are most like what is there, best first, of different issues.
///
/// # Errors
/// If a field is searched that the pool does not have, which no query does.
pub fn retrieve_tests(
    pool: &[Demonstration<TestAttempt>],
    query: TestQuery<'_>,
    settings: &Retrieval,
) -> Result<Vec<Retrieved>, MemoryError> {
    Search::tests(pool, query, settings)?.retrieved(settings)
}

/// The demonstrations of patches that are most like this wrong patch for this issue, best first, of
/// different issues.
///
/// # Errors
/// As [`retrieve_tests`].
pub fn retrieve_patches(
    pool: &[Demonstration<PatchAttempt>],
    issue: &str,
    patch: &str,
    settings: &Retrieval,
) -> Result<Vec<Retrieved>, MemoryError> {
    Search::patches(pool, issue, patch, settings)?.retrieved(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demonstration(issue: &str, old: &str, right: bool) -> Demonstration<PatchAttempt> {
        Demonstration {
            issue_description: issue.to_owned(),
            attempt: PatchAttempt {
                old_patch: old.to_owned(),
                old_result: false,
                new_patch: "new".to_owned(),
                new_result: right,
            },
        }
    }

    #[test]
    fn what_is_not_right_or_has_nothing_old_is_never_shown() {
        let pool = [
            demonstration("cache leaks", "", true),
            demonstration("cache leaks", "a", false),
            demonstration("router drops", "a", true),
        ];
        let found = retrieve_patches(&pool, "cache leaks", "a", &Retrieval::default()).unwrap();
        let found: Vec<usize> = found.into_iter().map(|found| found.index).collect();
        assert_eq!(found, [2]);
    }

    #[test]
    fn an_empty_pool_has_nothing_to_show() {
        let query = TestQuery::Initial { issue: "x" };
        assert_eq!(
            retrieve_tests(&[], query, &Retrieval::default()).unwrap(),
            []
        );
    }
}
