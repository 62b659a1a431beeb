//! Running a script on the repository, with or without a patch.

use std::path::Path;

use super::candidate::Ran;
use crate::{Desk, DeskError, execute::as_experepair, replies, workcopy::LARGEST};

/// The name of a script while it runs, at the root of the work copy, so that it imports the project.
const NAME: &str = "engraft_script_.py";

/// The script of an answer; one that is too long for a file is none.
pub(super) fn of(answer: &str) -> Option<&str> {
    replies::test_script(answer).filter(|script| script.len() as u64 <= LARGEST)
}

/// Runs a script on the work copy as it was, with a patch applied if there is one. Afterwards the work copy
/// is as it was.
pub(super) fn run(desk: &Desk<'_>, patch: Option<&str>, script: &str) -> Result<Ran, DeskError> {
    desk.copy.reset()?;
    if let Some(patch) = patch.filter(|patch| !patch.trim().is_empty()) {
        desk.copy.apply(patch)?;
    }
    desk.copy.write(Path::new(NAME), script)?;
    // A package that is installed for editing points at the user's folder: the copy goes first.
    let folder = desk.copy.folder().display();
    let path = format!("PYTHONPATH={folder}:{folder}/src");
    let command = ["env", &path, "PYTHONDONTWRITEBYTECODE=1", desk.python, NAME];
    let outcome = desk.executor.run(desk.copy.folder(), &command);
    desk.copy.reset()?;
    let outcome = as_experepair(outcome?);
    // Where the work copy lies is an accident, and would be remembered.
    let root = format!("{}/", desk.copy.folder().display());
    let clean = |text: &str| text.replace(&root, "");
    Ok(Ran {
        stdout: clean(&outcome.stdout),
        stderr: clean(&outcome.stderr),
        code: outcome.code,
    })
}
