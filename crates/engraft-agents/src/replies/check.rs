//! Answers beside those of the released parsers.

use engraft_method::parity::{Case, Check, Differences, ParityError};
use serde_json::{Map, Value, json};

use super::{Advice, Location, ZeroFeedback};
use crate::parity::{count, field, rows, text, texts};

const SLUG: &str = "experepair";

/// The cases that the readers of answers are compared with.
pub const CHECKS: &[Check] = &[
    check("parse_test_verdict", test_verdict),
    check("parse_review_advice", review_advice),
    check("parse_suggestion", suggestion),
    check("parse_selection", selection),
    check("parse_test_script", test_script),
    check("parse_code_blocks", code_blocks),
    check("parse_file_list", file_list),
    check("parse_locations", locations),
    check("feedback_handles", feedback_handles),
];

const fn check(kind: &'static str, run: fn(&mut Case) -> Result<(), ParityError>) -> Check {
    Check {
        slug: SLUG,
        kind,
        run,
    }
}

/// Runs a reader over all inputs under a key and compares the field `wanted`.
fn compare(
    case: &Case,
    key: &str,
    wanted: &str,
    read: impl Fn(&str) -> Value,
) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, key)?.iter().enumerate() {
        let got = read(text(row, "input")?);
        differences.equal_json(format!("{key}[{index}]"), &got, field(row, wanted)?);
    }
    differences.told()
}

fn test_verdict(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "test_verdict", "output", |answer| {
        super::test_verdict(answer).map_or(Value::Null, |verdict| {
            json!({
                "test-analysis": verdict.analysis,
                "if-reproduce": verdict.correct,
                "test-advice": verdict.advice,
            })
        })
    })
}

fn named(advice: Option<Advice>, analysis_key: &str, advice_key: &str) -> Value {
    advice.map_or(
        Value::Null,
        |read| json!({ analysis_key: read.analysis, advice_key: read.advice }),
    )
}

fn review_advice(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "review_advice", "output", |answer| {
        named(
            super::review_advice(answer),
            "patch_analysis",
            "patch_advice",
        )
    })
}

fn suggestion(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "suggestion", "output", |answer| {
        named(super::suggestion(answer), "analysis", "advice")
    })
}

/// Any error is right where the official code raised one.
fn selection(case: &mut Case) -> Result<(), ParityError> {
    let tags = texts(case.json("tags")?, "tags")?;
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "selection")?.iter().enumerate() {
        let got = match super::selection(text(row, "input")?, &tags) {
            Ok(lists) => {
                let lists = tags.iter().zip(lists);
                let lists: Map<String, Value> = lists
                    .map(|(tag, list)| ((*tag).to_owned(), json!(list)))
                    .collect();
                json!({ "ok": lists })
            }
            Err(_) => json!("error"),
        };
        let want = field(row, "output")?;
        let want = match want.get("error") {
            Some(_) => &json!("error"),
            None => want,
        };
        differences.equal_json(format!("selection[{index}]"), &got, want);
    }
    differences.told()
}

fn test_script(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "code_blocks", "test", |answer| {
        json!(super::test_script(answer))
    })
}

fn code_blocks(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "code_blocks", "blocks", |answer| {
        json!(super::code_blocks(answer))
    })
}

fn file_list(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "file_list", "output", |answer| {
        json!(super::file_list(answer))
    })
}

fn as_json(locations: &[Location]) -> Value {
    let fields = |location: &Location| {
        json!({
            "class": location.class,
            "method": location.method,
            "start_line": location.start_line,
            "end_line": location.end_line,
        })
    };
    locations.iter().map(fields).collect()
}

fn locations(case: &mut Case) -> Result<(), ParityError> {
    compare(case, "locations_first", "output", |answer| {
        as_json(&super::first_locations(answer))
    })?;
    compare(case, "locations_final", "output", |answer| {
        let files = super::final_locations(answer).into_iter();
        files
            .map(|(path, places)| (path, as_json(&places)))
            .collect::<Map<_, _>>()
            .into()
    })
}

fn feedback_handles(case: &mut Case) -> Result<(), ParityError> {
    let zero = if case.compat {
        ZeroFeedback::Everything
    } else {
        ZeroFeedback::Nothing
    };
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "feedback_handles")?.iter().enumerate() {
        let history = texts(field(row, "history")?, "history")?;
        let failed = texts(field(row, "failed")?, "failed")?;
        let got = super::feedback_handles(&history, &failed, count(row, "max")?, zero);
        let want = field(row, "selected")?;
        differences.equal_json(format!("feedback_handles[{index}]"), &json!(got), want);
    }
    differences.told()
}
