//! Ranks, groups and votes beside those of the official code.

use engraft_method::parity::{Case, Check, Differences, ParityError, read};
use serde_json::{Value, json};

use super::{Candidate, Evidence, MissingRank};
use crate::parity::{count, field, flag, list, rows, text};

/// The cases that the ways to choose a patch are compared with.
pub const CHECKS: &[Check] = &[
    check("experepair", "rank_patches", rank_patches),
    check(
        "experepair",
        "group_patches_by_output",
        group_patches_by_output,
    ),
    check("experepair", "deduplicate_patches", deduplicate_patches),
    check("experepair", "patch_passes", patch_passes),
    check("agent-baselines", "agentless_vote", agentless_vote),
    check(
        "agent-baselines",
        "agentless_modified_length",
        agentless_modified_length,
    ),
];

const fn check(
    slug: &'static str,
    kind: &'static str,
    run: fn(&mut Case) -> Result<(), ParityError>,
) -> Check {
    Check { slug, kind, run }
}

fn rank_patches(case: &mut Case) -> Result<(), ParityError> {
    let missing = if case.compat {
        MissingRank::Ignored
    } else {
        MissingRank::AfterLast
    };
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "rank")?.iter().enumerate() {
        let reviews: Vec<Vec<i64>> = read(field(row, "lists")?)?;
        let got = [
            ("average_rank", super::mean_rank(&reviews, missing)),
            ("borda", super::borda(&reviews)),
        ];
        for (key, got) in got {
            differences.equal_json(
                format!("rank[{index}].{key}"),
                &json!(got),
                field(row, key)?,
            );
        }
    }
    differences.told()
}

fn group_patches_by_output(case: &mut Case) -> Result<(), ParityError> {
    let patches = rows(case, "groups_input")?;
    let mut outputs = Vec::new();
    let mut contents = Vec::new();
    for patch in patches {
        outputs.push((text(patch, "repro_stdout")?, text(patch, "repro_stderr")?));
        contents.push(text(patch, "patch_content")?);
    }
    let groups = super::group_by_output(outputs);
    let keys: Value = groups.iter().map(|group| json!(group.output)).collect();
    let members = groups.iter().map(|group| {
        let members = group.members.iter().map(|&number| contents[number]);
        json!(members.collect::<Vec<_>>())
    });
    let mut differences = Differences::exact();
    differences.equal_json("groups", &members.collect(), case.entry("groups")?);
    differences.equal_json("group_keys", &keys, case.entry("group_keys")?);
    differences.told()
}

fn deduplicate_patches(case: &mut Case) -> Result<(), ParityError> {
    let row = case.entry("dedup")?;
    let patches = list(field(row, "input")?, "dedup.input")?.to_vec();
    let got = super::deduplicate(patches, |pair| {
        pair.get(0).and_then(Value::as_str).unwrap_or_default()
    });
    let mut differences = Differences::exact();
    differences.equal_json("dedup", &json!(got), field(row, "output")?);
    differences.told()
}

fn patch_passes(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "summary_block_pass")?.iter().enumerate() {
        let got = super::patch_passes(text(row, "original")?, text(row, "patched")?);
        let place = format!("summary_block_pass[{index}]");
        differences.equal_json(place, &json!(got), field(row, "passed")?);
    }
    differences.told()
}

fn agentless_vote(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "votes")?.iter().enumerate() {
        let candidates = list(field(row, "candidates")?, "candidates")?.iter();
        let candidates: Result<Vec<Candidate<'_>>, ParityError> = candidates
            .map(|candidate| {
                Ok(Candidate {
                    patch: text(candidate, "patch")?,
                    normalised: text(candidate, "normalized")?,
                    regression_failures: count(candidate, "regression_failures")?,
                    reproduction_passed: flag(candidate, "reproduction_passed"),
                })
            })
            .collect();
        let candidates = candidates?;
        let evidence = Evidence {
            regression: flag(row, "use_regression"),
            reproduction: flag(row, "use_reproduction"),
        };
        let winner = super::majority_vote(&candidates, evidence);
        let got = winner.map_or("", |number| candidates[number].patch);
        let want = field(field(row, "prediction")?, "model_patch")?;
        differences.equal_json(format!("votes[{index}]"), &json!(got), want);
    }
    differences.told()
}

fn agentless_modified_length(case: &mut Case) -> Result<(), ParityError> {
    let mut differences = Differences::exact();
    for (index, row) in rows(case, "modified_length")?.iter().enumerate() {
        let got = super::modified_length(text(row, "patch")?);
        let place = format!("modified_length[{index}]");
        differences.equal_json(place, &json!(got), field(row, "n")?);
    }
    differences.told()
}
