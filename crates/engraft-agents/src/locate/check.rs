//! Windows, file rules and clean issues beside those of the released code.

use engraft_method::parity::{Case, Check, Differences, ParityError};
use serde_json::{Value, json};

use super::{WindowRule, lines::centre_and_span};
use crate::parity::{count, field, rows, text};

const SLUG: &str = "experepair";

/// The cases that the ways from places to code are compared with.
pub const CHECKS: &[Check] = &[
    Check {
        slug: SLUG,
        kind: "issue_cleanup",
        run: issue_cleanup,
    },
    Check {
        slug: SLUG,
        kind: "line_window",
        run: line_window,
    },
    Check {
        slug: SLUG,
        kind: "is_test_file",
        run: is_test_file,
    },
];

fn issue_cleanup(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "issue_cleanup")?.iter().enumerate() {
        let got = json!(super::clean_issue(text(row, "input")?));
        let want = field(row, "output")?;
        differences.equal_json(format!("issue_cleanup[{index}]"), &got, want);
    }
    differences.told()
}

fn line_window(case: &mut Case) -> Result<(), ParityError> {
    let rule = if case.compat {
        WindowRule::Released
    } else {
        WindowRule::Inclusive
    };
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "windows")?.iter().enumerate() {
        let [start, end] = [count(row, "start")? as u64, count(row, "end")? as u64];
        let (centre, span) = centre_and_span(start, end);
        let lines = super::window(start, end, count(row, "file_lines")?, rule);
        let got = [
            ("centre", json!(centre)),
            ("window", json!(span as i64)),
            (
                "first_line",
                lines.map_or(Value::Null, |lines| json!(lines.first)),
            ),
            (
                "last_line",
                lines.map_or(Value::Null, |lines| json!(lines.last)),
            ),
        ];
        for (key, got) in got {
            differences.equal_json(format!("windows[{index}].{key}"), &got, field(row, key)?);
        }
    }
    differences.told()
}

fn is_test_file(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "is_test_file")?.iter().enumerate() {
        let got = json!(super::is_test_file(text(row, "path")?));
        let want = field(row, "output")?;
        differences.equal_json(format!("is_test_file[{index}]"), &got, want);
    }
    differences.told()
}
