//! Patches on their way: how an answer becomes one, and what is known of it.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    Desk, DeskError,
    edits::{self, Outcome},
    python::strings::strip,
    selection,
    workcopy::LARGEST,
};

/// What a script printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Ran {
    /// Both streams as they are remembered.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout.trim(), self.stderr.trim())
    }
}

/// A patch with what the scripts print with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub patch: String,
    /// The paths of the files that it changes, sorted.
    #[serde(default)]
    pub files: Vec<String>,
    /// In how many answers it was; white space at its ends does not count.
    #[serde(default = "once")]
    pub written: usize,
    /// On the script that shows the issue, if there is one.
    pub reproduction: Option<Ran>,
    /// On the scripts with other inputs: script and result.
    pub differential: Vec<(String, Ran)>,
    /// A review found it correct.
    pub correct: bool,
    /// The syntax of some of it could not be checked: a language without a checker here, or a file that had an
    /// error before.
    #[serde(default)]
    pub unchecked: bool,
    /// Where it comes from, for people: `round 1, advice 2`.
    pub origin: String,
}

fn once() -> usize {
    1
}

impl Candidate {
    pub(super) fn new(made: Made, origin: String) -> Self {
        Self {
            patch: made.patch,
            files: made.files,
            written: once(),
            unchecked: made.unchecked,
            reproduction: None,
            differential: Vec::new(),
            correct: false,
            origin,
        }
    }
}

/// What an answer comes to.
pub(super) struct Made {
    pub outcome: Outcome,
    /// Empty if there is none.
    pub patch: String,
    pub files: Vec<String>,
    pub unchecked: bool,
}

/// The patch that an answer's edits make, and how it went. Edits that make a file larger than work copies write
/// are none.
pub(super) fn patch_of(desk: &Desk<'_>, answer: &str) -> Result<Made, DeskError> {
    desk.copy.reset()?;
    let patched = edits::patch(answer, |path| desk.copy.read(Path::new(path.as_str())).ok());
    if patched
        .files
        .values()
        .any(|program| program.len() as u64 > LARGEST)
    {
        return Ok(Made {
            outcome: Outcome::Unmatched,
            patch: String::new(),
            files: Vec::new(),
            unchecked: false,
        });
    }
    for (path, program) in &patched.files {
        desk.copy.write(Path::new(path.as_str()), program)?;
    }
    let patch = desk.copy.diff()?;
    desk.copy.reset()?;
    let outcome = match patch.trim().is_empty() {
        true => patched.outcome.min(Outcome::EmptyDiff),
        false => patched.outcome,
    };
    let files = patched.files.into_keys();
    Ok(Made {
        outcome,
        patch,
        files: files.map(|path| path.as_str().to_owned()).collect(),
        unchecked: !patched.unchecked.is_empty(),
    })
}

/// Each patch once, the first of equal ones, which was written as often as they together and is correct if the review
/// said so of one of them.
pub(super) fn distinct(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut together: HashMap<String, (usize, bool)> = HashMap::new();
    for candidate in &candidates {
        let (written, correct) = together
            .entry(strip(&candidate.patch).to_owned())
            .or_default();
        *written += candidate.written;
        *correct |= candidate.correct;
    }
    let mut candidates = selection::deduplicate(candidates, |candidate| &candidate.patch);
    for candidate in &mut candidates {
        if let Some(&(written, correct)) = together.get(strip(&candidate.patch)) {
            (candidate.written, candidate.correct) = (written, correct);
        }
    }
    candidates
}

/// Patches with their results as a prompt shows them.
pub(super) fn shown<'a>(
    candidates: impl Iterator<Item = (&'a str, Vec<(&'static str, &'a Ran)>)>,
) -> String {
    let mut text = String::new();
    for (number, (patch, results)) in candidates.enumerate() {
        text.push_str(&format!("Patch {number}\n{}\n", patch.trim_end()));
        for (what, ran) in results {
            text.push_str(&format!(
                "{what} printed:\n{}\n{}\n",
                ran.stdout.trim_end(),
                ran.stderr.trim_end()
            ));
        }
        text.push('\n');
    }
    text
}
