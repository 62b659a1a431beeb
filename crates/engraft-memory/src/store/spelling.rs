//! How tables spell kinds and states.

use crate::{Id, Kind, State};

/// The word for a state, and the other item that it is about.
pub(super) fn state(state: &State) -> (&'static str, Option<&str>) {
    match state {
        State::Current => ("current", None),
        State::Removed => ("removed", None),
        State::SupersededBy(id) => ("superseded", Some(&id.0)),
        State::MergedInto(id) => ("merged", Some(&id.0)),
    }
}

/// The state that a word and another item stand for, if they stand for one.
pub(super) fn read_state(word: &str, other: Option<String>) -> Option<State> {
    match (word, other) {
        ("current", _) => Some(State::Current),
        ("removed", _) => Some(State::Removed),
        ("superseded", Some(id)) => Some(State::SupersededBy(Id(id))),
        ("merged", Some(id)) => Some(State::MergedInto(Id(id))),
        _ => None,
    }
}

/// The kind of that name.
pub(super) fn read_kind(word: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == word)
}
