//! Demonstrations beside the official implementation's results.

use std::collections::BTreeMap;

use engraft_method::parity::{Case, Check, Differences, ParityError, read};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Demonstration, FeedbackWeights, InitialWeights, PatchAttempt, PatchWeights, Retrieval,
    Retrieved, TestAttempt, TestQuery, patch_demonstrations, retrieve_patches, retrieve_tests,
    search::Search, test_demonstrations,
};
use crate::MemoryError;

/// What is checked in here.
pub const CHECKS: &[Check] = &[
    Check {
        slug: "experepair",
        kind: "episodic_filter_tests",
        run: episodic_filter_tests,
    },
    Check {
        slug: "experepair",
        kind: "episodic_filter_patches",
        run: episodic_filter_patches,
    },
    Check {
        slug: "experepair",
        kind: "retrieve_test_demos",
        run: retrieve_test_demos,
    },
    Check {
        slug: "experepair",
        kind: "retrieve_patch_demos",
        run: retrieve_patch_demos,
    },
];

/// How far scores may be apart.
const TOLERANCE: f64 = 1e-9;

/// What the issue is called in cases of pairing.
const ISSUE: &str = "ISSUE";

fn episodic_filter_tests(case: &mut Case) -> Result<(), ParityError> {
    filter(case, |attempts| test_demonstrations(ISSUE, attempts))
}

fn episodic_filter_patches(case: &mut Case) -> Result<(), ParityError> {
    filter(case, |attempts| {
        patch_demonstrations(ISSUE, attempts, case.compat)
    })
}

fn filter<A: DeserializeOwned + PartialEq + std::fmt::Debug>(
    case: &Case,
    pair: impl Fn(&[A]) -> Vec<Demonstration<A>>,
) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry<A> {
        experiences: Vec<A>,
        demonstrations: Vec<Demonstration<A>>,
    }
    let entries: Vec<Entry<A>> = read(case.document()?)?;
    let mut differences = Differences::exact();
    for (index, entry) in entries.iter().enumerate() {
        let got = pair(&entry.experiences);
        differences.equal(format!("[{index}]"), &got, &entry.demonstrations);
    }
    differences.told()
}

fn refused(error: MemoryError) -> ParityError {
    ParityError::Computation(error.to_string())
}

fn compare_returned(
    differences: &mut Differences,
    place: &str,
    got: &[Retrieved],
    (returned, scores): (&[usize], &[f64]),
) {
    let indices: Vec<usize> = got.iter().map(|found| found.index).collect();
    let got: Vec<f64> = got.iter().map(|found| found.score).collect();
    differences.equal(format!("{place}.returned"), indices.as_slice(), returned);
    differences.all_near(format!("{place}.returned_scores"), &got, scores);
}

fn retrieve_test_demos(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Query {
        issue: String,
        test: String,
        exec_result: String,
    }
    #[derive(Deserialize)]
    struct Entry {
        mode: String,
        query: Query,
        weights: serde_json::Value,
        knowledge_base: Vec<Demonstration<TestAttempt>>,
        field_scores: BTreeMap<String, Vec<f64>>,
        combined_order: Vec<usize>,
        combined_scores: Vec<f64>,
        returned: Vec<usize>,
        returned_scores: Vec<f64>,
    }
    let entries: BTreeMap<String, Entry> = read(case.document()?)?;
    let mut differences = Differences::within(TOLERANCE);
    for (name, entry) in &entries {
        let mut settings = Retrieval::default();
        let query = match entry.mode.as_str() {
            "initial" => {
                settings.initial = read::<InitialWeights>(&entry.weights)?;
                TestQuery::Initial {
                    issue: &entry.query.issue,
                }
            }
            "feedback" => {
                settings.feedback = read::<FeedbackWeights>(&entry.weights)?;
                TestQuery::Feedback {
                    exec_result: &entry.query.exec_result,
                    test: &entry.query.test,
                }
            }
            other => {
                let problem = format!("{name}: there is no mode `{other}`");
                return Err(ParityError::Computation(problem));
            }
        };
        let pool = &entry.knowledge_base;
        let search = Search::tests(pool, query, &settings).map_err(refused)?;
        differences.equal(
            format!("fields of {name}"),
            &search.queries.len(),
            &entry.field_scores.len(),
        );
        for query in &search.queries {
            let scores = search.fields.field_scores(query.field, &query.tokens);
            let scores = scores.map_err(refused)?;
            let scores: Vec<f64> = scores.into_iter().map(|(_, score)| score).collect();
            let want = entry.field_scores.get(query.field);
            let want = want.map_or(&[][..], Vec::as_slice);
            differences.all_near(
                format!("{name}.field_scores.{}", query.field),
                &scores,
                want,
            );
        }
        let order = search
            .fields
            .search(&search.queries, entry.combined_order.len());
        let (order, scores): (Vec<usize>, Vec<f64>) = order
            .map_err(refused)?
            .into_iter()
            .map(|hit| (hit.key, hit.score))
            .unzip();
        differences.equal(
            format!("{name}.combined_order"),
            &order,
            &entry.combined_order,
        );
        differences.all_near(
            format!("{name}.combined_scores"),
            &scores,
            &entry.combined_scores,
        );
        let got = retrieve_tests(pool, query, &settings).map_err(refused)?;
        let want = (&entry.returned[..], &entry.returned_scores[..]);
        compare_returned(&mut differences, name, &got, want);
    }
    differences.told()
}

fn retrieve_patch_demos(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Query {
        issue: String,
        patch: String,
    }
    #[derive(Deserialize)]
    struct Document {
        query: Query,
        weights: PatchWeights,
        knowledge_base: Vec<Demonstration<PatchAttempt>>,
        returned: Vec<usize>,
        returned_scores: Vec<f64>,
    }
    let document: Document = read(case.document()?)?;
    let settings = Retrieval {
        patch: document.weights,
        ..Retrieval::default()
    };
    let query = &document.query;
    let pool = &document.knowledge_base;
    let got = retrieve_patches(pool, &query.issue, &query.patch, &settings).map_err(refused)?;
    let mut differences = Differences::within(TOLERANCE);
    let want = (&document.returned[..], &document.returned_scores[..]);
    compare_returned(&mut differences, "case", &got, want);
    differences.told()
}
