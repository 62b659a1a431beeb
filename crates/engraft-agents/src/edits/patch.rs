//! All edits of an answer, over the files of a repository.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Applied, Edit, EditError, Language, PathError, RepositoryPath, SyntaxCheck, apply, parse,
};
use crate::{locate::is_test_file, python::strings::strip};

/// How far an answer got, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer is blank.
    NoPatch,
    /// It holds no edits in the form asked for.
    Unparsed,
    /// No edit could be applied.
    Unmatched,
    /// Edits were applied and changed nothing.
    EmptyDiff,
    /// An edit had an empty original, so that it went wherever the first empty line is.
    EmptyOriginal,
    Applicable,
}

/// What an answer makes of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patched {
    pub outcome: Outcome,
    /// The files that differ now, whole.
    pub files: BTreeMap<RepositoryPath, String>,
    /// Edits that were applied without a check of the syntax, by their number in the answer.
    pub unchecked: Vec<(usize, SyntaxCheck)>,
    /// Edits that were not applied, by their number in the answer.
    pub refused: Vec<(usize, Refused)>,
}

/// Why an edit was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("{0} is a test file; edit the program instead")]
    TestFile(RepositoryPath),
    #[error("{0} is not in the repository; name a file that is")]
    NoFile(RepositoryPath),
    #[error("{path}: {error}")]
    Edit {
        path: RepositoryPath,
        error: EditError,
    },
}

/// Applies the edits of an answer in their order. `read` gives the text of a file, `None` if there is
/// no such file.
pub fn patch(answer: &str, read: impl Fn(&RepositoryPath) -> Option<String>) -> Patched {
    let mut patched = Patched {
        outcome: Outcome::NoPatch,
        files: BTreeMap::new(),
        unchecked: Vec::new(),
        refused: Vec::new(),
    };
    if strip(answer).is_empty() {
        return patched;
    }
    let edits = parse(answer);
    let mut files = Files {
        read,
        programs: BTreeMap::new(),
    };
    let mut applied = Vec::new();
    for (number, edit) in edits.iter().enumerate() {
        match files.apply(edit) {
            Ok(SyntaxCheck::Passed) => applied.push(edit),
            Ok(unchecked) => {
                applied.push(edit);
                patched.unchecked.push((number, unchecked));
            }
            Err(refused) => patched.refused.push((number, refused)),
        }
    }
    patched.files = files.changed();
    patched.outcome = if edits.is_empty() {
        Outcome::Unparsed
    } else if applied.is_empty() {
        Outcome::Unmatched
    } else if patched.files.is_empty() {
        Outcome::EmptyDiff
    } else if applied.iter().any(|edit| strip(&edit.original).is_empty()) {
        Outcome::EmptyOriginal
    } else {
        Outcome::Applicable
    };
    patched
}

/// The files that edits have touched, as they were and as they are.
struct Files<Read> {
    read: Read,
    programs: BTreeMap<RepositoryPath, (String, String)>,
}

impl<Read: Fn(&RepositoryPath) -> Option<String>> Files<Read> {
    fn apply(&mut self, edit: &Edit) -> Result<SyntaxCheck, Refused> {
        let path = RepositoryPath::new(&edit.file)?;
        if is_test_file(path.as_str()) {
            return Err(Refused::TestFile(path));
        }
        if !self.programs.contains_key(&path) {
            let program = (self.read)(&path).ok_or_else(|| Refused::NoFile(path.clone()))?;
            self.programs
                .insert(path.clone(), (program.clone(), program));
        }
        let Some((_, program)) = self.programs.get_mut(&path) else {
            return Err(Refused::NoFile(path));
        };
        let language = Language::of(path.as_str());
        let Applied {
            program: after,
            syntax,
        } = apply(program, edit, language).map_err(|error| Refused::Edit { path, error })?;
        *program = after;
        Ok(syntax)
    }

    fn changed(self) -> BTreeMap<RepositoryPath, String> {
        let changed = self.programs.into_iter();
        changed
            .filter(|(_, (before, after))| before != after)
            .map(|(path, (_, after))| (path, after))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Outcome, Patched, Refused, patch};

    const PROGRAM: &str = "a = 1\n\nb = 2\n";

    fn repair(answer: &str) -> Patched {
        patch(answer, |path| {
            let known = ["m.py", "m.c", "tests/t.py"].contains(&path.as_str());
            known.then(|| PROGRAM.to_owned())
        })
    }

    fn answer(file: &str, original: &str, patched: &str) -> String {
        format!(
            "```\n<file>{file}</file><original>{original}</original><patched>{patched}</patched>\n```\n"
        )
    }

    #[test]
    fn outcomes_from_worst_to_best() {
        let outcomes = [
            repair(" \n"),
            repair("```\nno edit\n```"),
            repair(&answer("m.py", "c = 3", "c = 4")),
            repair(&answer("m.py", "a = 1", "a = 1")),
            repair(&answer("m.py", "", "c = 3")),
            repair(&answer("m.py", "a = 1", "a = 2")),
        ]
        .map(|patched| patched.outcome);
        let expected = [
            Outcome::NoPatch,
            Outcome::Unparsed,
            Outcome::Unmatched,
            Outcome::EmptyDiff,
            Outcome::EmptyOriginal,
            Outcome::Applicable,
        ];
        assert_eq!(outcomes, expected);
        assert!(expected.is_sorted());
    }

    #[test]
    fn later_edits_see_what_earlier_ones_did() {
        let both = answer("m.py", "a = 1", "a = 2") + &answer("./m.py", "a = 2", "a = 3");
        let patched = repair(&both);
        let files: Vec<_> = patched.files.values().collect();
        assert_eq!(files, ["a = 3\n\nb = 2\n"]);
    }

    #[test]
    fn tests_strange_paths_and_absent_files_are_left_alone() {
        let answers = ["tests/t.py", "/m.py", "n.py"].map(|file| answer(file, "a = 1", "a = 2"));
        let patched = repair(&answers.concat());
        assert_eq!(patched.outcome, Outcome::Unmatched);
        assert!(matches!(
            &patched.refused[..],
            [
                (0, Refused::TestFile(_)),
                (1, Refused::Path(_)),
                (2, Refused::NoFile(_))
            ]
        ));
    }

    #[test]
    fn a_file_without_a_checker_is_named_as_unchecked() {
        let patched = repair(&answer("m.c", "a = 1", "a = ("));
        assert_eq!(patched.outcome, Outcome::Applicable);
        assert_eq!(patched.unchecked.len(), 1);
    }

    proptest! {
        #[test]
        fn any_answer_can_be_applied(answer in "(```|\n|<file>m.py</file>|<original>|</original>|<patched>|</patched>|a = |1|b = 2|é)*") {
            let _ = repair(&answer);
        }
    }
}
