//! Reference numbers of official implementations, and the test that runs ours beside them.
//!
//! `parity/<slug>/cases.json` lists cases; each has a `kind`, the operation under test. Methods
//! register a [`Check`] for the kinds they answer for. Several methods may share a kind: each
//! fills in the outputs it computes, and an output that nobody computes is a failure, as are an
//! unknown kind, a hyperparameter that nobody reads and a tensor that is not as listed.
//! `ENGRAFT_PARITY=DIR` runs the same tests on another folder of the same form.

mod case;
mod compare;
mod differences;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use case::{Case, ParityError, Tensor, load};
pub use compare::compare;
pub use differences::Differences;

/// One operation a method can be checked on.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub slug: &'static str,
    pub kind: &'static str,
    /// Reads inputs and hyperparameters from the case and writes the outputs it knows.
    pub run: fn(&mut Case) -> Result<(), ParityError>,
}

/// A value of a JSON case as the type that its kind has there.
///
/// # Errors
/// If it does not have that form.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, ParityError> {
    T::deserialize(value).map_err(|error| ParityError::Computation(error.to_string()))
}

/// What a run over a slug's cases showed.
#[derive(Debug, Default)]
pub struct Report {
    pub cases: usize,
    /// Of these, cases that did not run because weights they need are not here.
    pub absent: usize,
    /// One line a mismatch: slug, case, tensor, index, got, want, bound.
    pub failures: Vec<String>,
}

/// The folder of the reference numbers: `ENGRAFT_PARITY`, or `parity/` of this repository.
pub fn folder() -> PathBuf {
    std::env::var_os("ENGRAFT_PARITY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity"),
        PathBuf::from,
    )
}

/// Runs every case of `slug` against the checks that answer for its kind.
///
/// A folder that is not there means no cases; one without readable cases is an error.
pub fn run(folder: &Path, slug: &str, checks: &[Check]) -> Result<Report, ParityError> {
    let mut report = Report::default();
    let directory = folder.join(slug);
    if !directory.exists() {
        return Ok(report);
    }
    for mut case in load(&directory, slug)? {
        report.cases += 1;
        let answering: Vec<&Check> = checks
            .iter()
            .filter(|check| check.slug == slug && check.kind == case.kind)
            .collect();
        if answering.is_empty() {
            let line = format!(
                "{slug} {}: no method answers for kind `{}`",
                case.name, case.kind
            );
            report.failures.push(line);
            continue;
        }
        let ran: Vec<Result<(), ParityError>> = answering
            .into_iter()
            .map(|check| (check.run)(&mut case))
            .collect();
        if let Some(Err(absent @ ParityError::Absent(_))) = ran
            .iter()
            .find(|ran| matches!(ran, Err(ParityError::Absent(_))))
        {
            println!("{slug} {}: {absent}", case.name);
            report.absent += 1;
            continue;
        }
        let errors = ran.into_iter().filter_map(Result::err);
        report
            .failures
            .extend(errors.map(|error| format!("{slug} {}: {error}", case.name)));
        report.failures.extend(compare(&case));
    }
    Ok(report)
}

/// The test of a slug: all its cases of [`folder`] hold, and where no other folder was named there are
/// some.
///
/// # Panics
/// With a line a mismatch, or if the cases cannot be read.
pub fn holds(slug: &str, checks: &[Check]) {
    let report = run(&folder(), slug, checks).expect("readable cases");
    println!("{slug}: {} cases", report.cases);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    if std::env::var_os("ENGRAFT_PARITY").is_none() {
        assert!(report.cases > 0, "the repository carries cases for {slug}");
    }
}
