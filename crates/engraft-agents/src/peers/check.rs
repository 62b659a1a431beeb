//! mini-swe-agent's habits beside its own results.

use engraft_method::parity::{Case, Check, Differences, ParityError};
use serde_json::{Value, json};

use super::{Observation, RunLimits};
use crate::parity::{count, field, list, rows};

const SLUG: &str = "agent-baselines";

/// The cases that habits of other agents are compared with.
pub const CHECKS: &[Check] = &[
    Check {
        slug: SLUG,
        kind: "config_merge",
        run: config_merge,
    },
    Check {
        slug: SLUG,
        kind: "observation_truncation",
        run: observation_truncation,
    },
    Check {
        slug: SLUG,
        kind: "run_limits",
        run: run_limits,
    },
];

fn config_merge(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "config_merge")?.iter().enumerate() {
        let inputs = list(field(row, "inputs")?, "inputs")?.iter();
        let got = super::merged(inputs.map(|input| input.as_object().cloned()));
        let want = field(row, "output")?;
        differences.equal_json(format!("config_merge[{index}]"), &Value::Object(got), want);
    }
    differences.told()
}

fn observation_truncation(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "observation")?.iter().enumerate() {
        let output = "x".repeat(count(row, "output_chars")?);
        let (truncated, head, elided, tail) = match Observation::of(&output) {
            Observation::Whole(output) => (false, output, 0, ""),
            Observation::Cut { head, elided, tail } => (true, head, elided, tail),
        };
        let got = [
            ("truncated", json!(truncated)),
            ("elided", json!(elided)),
            ("head_chars", json!(head.len())),
            ("tail_chars", json!(tail.len())),
        ];
        for (key, got) in got {
            differences.equal_json(
                format!("observation[{index}].{key}"),
                &got,
                field(row, key)?,
            );
        }
    }
    differences.told()
}

fn run_limits(case: &mut Case) -> Result<(), ParityError> {
    let limits = RunLimits::default();
    let want = case.entry("limits")?;
    let mut differences = Differences::exact();
    differences.equal_json(
        "step_limit",
        &json!(limits.steps),
        field(want, "step_limit")?,
    );
    differences.equal_json(
        "cost_limit",
        &json!(limits.cost),
        field(want, "cost_limit")?,
    );
    differences.told()
}
