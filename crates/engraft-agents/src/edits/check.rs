//! Edits beside those of the released code.

use engraft_method::parity::{Case, Check, Differences, ParityError};
use serde_json::{Value, json};

use super::{Edit, Language};
use crate::parity::{field, list, text};

/// The cases that edits are compared with.
pub const CHECKS: &[Check] = &[Check {
    slug: "experepair",
    kind: "edit_blocks",
    run: edit_blocks,
}];

fn edit_blocks(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in list(case.document()?, "edit_blocks")?.iter().enumerate() {
        let edits = super::parse(text(row, "response")?);
        let mut program = text(row, "program")?.to_owned();
        let mut outcomes = Vec::new();
        for edit in &edits {
            match super::apply(&program, edit, Language::Python) {
                Ok(applied) => {
                    program = applied.program;
                    outcomes.push("applied");
                }
                Err(_) => outcomes.push("no match or bad syntax"),
            }
        }
        let edits: Value = edits.iter().map(as_json).collect();
        let got = [
            ("edits", edits),
            ("outcome", json!(outcomes)),
            ("program_after", json!(program)),
        ];
        for (key, got) in got {
            differences.equal_json(format!("[{index}].{key}"), &got, field(row, key)?);
        }
    }
    differences.told()
}

fn as_json(edit: &Edit) -> Value {
    json!({ "file": edit.file, "original": edit.original, "patched": edit.patched })
}
