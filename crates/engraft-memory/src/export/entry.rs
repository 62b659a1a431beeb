//! An item as a file has it: it may be new, and it may have been edited.

use std::path::{Path, PathBuf};

use crate::{Draft, Id, Item, MemoryError};

/// What a file says of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it says so.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// `None` for a new item.
    pub id: Option<Id>,
    pub content: Draft,
    pub pinned: bool,
}

impl Entry {
    /// Something about it is wrong.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> MemoryError {
        wrong(&self.path, self.line, problem)
    }

    /// What differs from a stored item and cannot be edited, by its name.
    pub(super) fn fixed_difference(&self, item: &Item) -> Option<&'static str> {
        let (here, there) = (&self.content, &item.content);
        let same = [
            ("kind", here.kind == there.kind),
            ("scope", here.scope == there.scope),
            ("role", here.role == there.role),
            ("date when it happened", here.happened == there.happened),
            ("source", here.source == there.source),
        ];
        let differs = same.into_iter().find(|(_, same)| !same);
        differs.map(|(name, _)| name)
    }
}

/// A problem in a line of a file.
pub(super) fn wrong(path: &Path, line: usize, problem: impl Into<String>) -> MemoryError {
    MemoryError::Place {
        place: format!("{}:{line}", path.display()),
        problem: problem.into(),
    }
}
