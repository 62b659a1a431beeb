//! Skeletons beside those of the released code.

use engraft_method::parity::{Case, Check, Differences, ParityError};
use serde_json::json;

use crate::parity::{field, rows, text};

/// The cases that views of Python source are compared with.
pub const CHECKS: &[Check] = &[Check {
    slug: "experepair",
    kind: "skeleton",
    run: skeleton,
}];

fn skeleton(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "skeleton")?.iter().enumerate() {
        let got = json!(super::skeleton(text(row, "input")?));
        let want = field(row, "output")?;
        differences.equal_json(format!("skeleton[{index}]"), &got, want);
    }
    differences.told()
}
