//! Insights beside the official implementations' results.

use engraft_method::parity::{Case, Check, Differences, ParityError, read};
use serde::Deserialize;

use super::{
    Insights, Revisions,
    counters::{Rule, parse_rules, update_rules},
    render,
};

/// What is checked in here.
pub const CHECKS: &[Check] = &[
    Check {
        slug: "experepair",
        kind: "insight_operations",
        run: insight_operations,
    },
    Check {
        slug: "experepair",
        kind: "insight_operations_second_copy",
        run: insight_operations_second_copy,
    },
    Check {
        slug: "experepair",
        kind: "insight_rendering",
        run: insight_rendering,
    },
    Check {
        slug: "experepair",
        kind: "expel_operations",
        run: expel_operations,
    },
];

fn insight_operations(case: &mut Case) -> Result<(), ParityError> {
    operations(case, "generate_script")
}

fn insight_operations_second_copy(case: &mut Case) -> Result<(), ParityError> {
    operations(case, "review_manager")
}

fn operations(case: &Case, key: &str) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        existing: Option<Insights>,
        operations: Revisions,
        result: Insights,
    }
    let entries: Vec<Entry> = read(case.entry(key)?)?;
    let mut differences = Differences::exact();
    for (index, entry) in entries.into_iter().enumerate() {
        let mut insights = entry.existing.unwrap_or_default();
        insights.apply(&entry.operations, case.compat);
        differences.equal(format!("{key}[{index}]"), &insights, &entry.result);
    }
    differences.told()
}

fn insight_rendering(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        input: Insights,
        tester: String,
        coder: String,
    }
    let entries: Vec<Entry> = read(case.entry("rendered")?)?;
    let mut differences = Differences::exact();
    for (index, entry) in entries.iter().enumerate() {
        let (tester, coder) = (render(&entry.input.tester), render(&entry.input.coder));
        differences.equal(format!("[{index}].tester"), &tester, &entry.tester);
        differences.equal(format!("[{index}].coder"), &coder, &entry.coder);
    }
    differences.told()
}

fn expel_operations(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        rules: Vec<(String, i64)>,
        text: String,
        list_full: bool,
        parsed: Vec<(String, String)>,
        result: Vec<(String, i64)>,
    }
    let entries: Vec<Entry> = read(case.document()?)?;
    let mut differences = Differences::exact();
    for (index, entry) in entries.into_iter().enumerate() {
        let operations = parse_rules(&entry.text);
        let parsed: Vec<(String, String)> = operations
            .iter()
            .map(|operation| {
                let verb = operation.verb.name();
                let written = operation.number.map(|number| format!("{verb} {number}"));
                (
                    written.unwrap_or_else(|| verb.to_owned()),
                    operation.text.clone(),
                )
            })
            .collect();
        differences.equal(format!("[{index}].parsed"), &parsed, &entry.parsed);
        let rules = entry.rules.into_iter();
        let rules = rules.map(|(text, votes)| Rule { text, votes }).collect();
        let updated = update_rules(rules, &operations, entry.list_full).into_iter();
        let updated: Vec<(String, i64)> = updated.map(|rule| (rule.text, rule.votes)).collect();
        differences.equal(format!("[{index}].result"), &updated, &entry.result);
    }
    differences.told()
}
