//! The user's own command that says which issues are resolved.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::Context;
use serde_json::Value;

/// Runs the command that grades in `folder`, with `{predictions}` and `{tasks}` in their places: it prints JSON with the
/// ids that it finds `resolved` (or `resolved_ids`, as SWE-bench's report has it).
///
/// # Errors
/// A command that cannot be started, fails, or prints something else.
pub fn grade(
    command: &str,
    folder: &Path,
    predictions: &Path,
    tasks: &Path,
) -> anyhow::Result<BTreeSet<String>> {
    let fill = |word: &str| {
        word.replace("{predictions}", &predictions.display().to_string())
            .replace("{tasks}", &tasks.display().to_string())
    };
    let words: Vec<String> = command.split_whitespace().map(fill).collect();
    let (program, arguments) = words.split_first().context("grade: the command is empty")?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output();
    let output = output.with_context(|| format!("grade: cannot start {program}"))?;
    anyhow::ensure!(
        output.status.success(),
        "grade: {program} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text)
        .with_context(|| format!("grade: {program} must print one JSON object and nothing else"))?;
    let ids = report
        .get("resolved")
        .or_else(|| report.get("resolved_ids"));
    let ids = ids.and_then(Value::as_array).with_context(|| {
        format!("grade: {program} printed no list `resolved`; print the ids of the resolved issues there")
    })?;
    Ok(ids
        .iter()
        .filter_map(|id| Some(id.as_str()?.to_owned()))
        .collect())
}
