//! Grades, filters and images beside those of the official tools.

use engraft_method::parity::{Case, Check, Differences, ParityError, read};
use serde_json::{Value, json};

use super::{Choice, Counts, instance::image};
use crate::parity::{field, flag, list, rows, text, texts};

const SLUG: &str = "agent-baselines";

/// The cases that the habits of the benchmark are compared with.
pub const CHECKS: &[Check] = &[
    Check {
        slug: SLUG,
        kind: "swebench_resolution",
        run: swebench_resolution,
    },
    Check {
        slug: SLUG,
        kind: "instance_filter",
        run: instance_filter,
    },
    Check {
        slug: SLUG,
        kind: "instance_image",
        run: instance_image,
    },
];

fn swebench_resolution(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in list(case.document()?, "grades")?.iter().enumerate() {
        let counts = |key| -> Result<Counts, ParityError> {
            let [passed, failed] = read(field(row, key)?)?;
            Ok(Counts { passed, failed })
        };
        let (fail_to_pass, pass_to_pass) = (counts("f2p")?, counts("p2p")?);
        let got = [
            ("f2p_rate", json!(fail_to_pass.rate())),
            ("p2p_rate", json!(pass_to_pass.rate())),
            (
                "status",
                json!(super::resolution(fail_to_pass, pass_to_pass).name()),
            ),
        ];
        for (key, got) in got {
            differences.equal_json(format!("[{index}].{key}"), &got, field(row, key)?);
        }
    }
    differences.told()
}

/// The official shuffle draws with Python's generator; of ours only the number of ids can be the same.
fn instance_filter(case: &mut Case) -> Result<(), ParityError> {
    let ids = texts(case.json("instances")?, "instances")?;
    let computation = |error: super::ChoiceError| ParityError::Computation(error.to_string());
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "instance_filter")?.iter().enumerate() {
        let slice = row.get("slice_spec").and_then(Value::as_str);
        let slice = slice.filter(|slice| !slice.is_empty()).map(str::parse);
        let shuffled = flag(row, "shuffle");
        let choice = Choice::new(
            text(row, "filter_spec")?,
            slice.transpose().map_err(computation)?,
            shuffled.then_some(42),
        );
        let got = choice.map_err(computation)?.of(ids.clone(), |id| id);
        let want = field(row, "result")?;
        let place = format!("instance_filter[{index}]");
        if shuffled {
            let want = list(want, "result")?.len();
            differences.equal_json(place, &json!(got.len()), &json!(want));
        } else {
            differences.equal_json(place, &json!(got), want);
        }
    }
    differences.told()
}

fn instance_image(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "image_name")?.iter().enumerate() {
        let instance = field(row, "instance")?;
        let named = ["image_name", "docker_image"].map(|key| instance.get(key));
        let named = named.into_iter().flatten().find_map(Value::as_str);
        let got = image(text(instance, "instance_id")?, named);
        let got = got.strip_prefix("docker.io/").unwrap_or(&got);
        let want = field(row, "image_without_registry_host")?;
        differences.equal_json(format!("image_name[{index}]"), &json!(got), want);
    }
    differences.told()
}
