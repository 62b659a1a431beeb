//! Our answers beside those that the reference cases store as JSON.

use engraft_method::parity::{Case, Check, ParityError};
use serde_json::Value;

use crate::{compose, edits, locate, peers, python, replies, selection, swebench};

/// Every reference case this crate answers for.
pub fn checks() -> Vec<Check> {
    [
        compose::CHECKS,
        replies::CHECKS,
        edits::CHECKS,
        python::CHECKS,
        locate::CHECKS,
        selection::CHECKS,
        swebench::CHECKS,
        peers::CHECKS,
    ]
    .concat()
}

/// A value of the case's file.
pub(crate) fn entry<'a>(case: &'a Case, key: &str) -> Result<&'a Value, ParityError> {
    field(case.document()?, key)
}

/// A list of the case's file.
pub(crate) fn rows<'a>(case: &'a Case, key: &str) -> Result<&'a [Value], ParityError> {
    list(entry(case, key)?, key)
}

/// A field of an object.
pub(crate) fn field<'a>(object: &'a Value, key: &str) -> Result<&'a Value, ParityError> {
    object
        .get(key)
        .ok_or_else(|| ParityError::MissingInput(key.to_owned()))
}

/// A field that is text.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> Result<&'a str, ParityError> {
    field(object, key)?
        .as_str()
        .ok_or_else(|| ParityError::MissingInput(format!("{key} as text")))
}

/// A field that is a count.
pub(crate) fn count(object: &Value, key: &str) -> Result<usize, ParityError> {
    field(object, key)?
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| ParityError::MissingInput(format!("{key} as a count")))
}

/// A field that is a flag; one that is not there is off.
pub(crate) fn flag(object: &Value, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The elements of a list.
pub(crate) fn list<'a>(value: &'a Value, what: &str) -> Result<&'a [Value], ParityError> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| ParityError::MissingInput(format!("{what} as a list")))
}

/// The elements of a list of texts.
pub(crate) fn texts<'a>(value: &'a Value, what: &str) -> Result<Vec<&'a str>, ParityError> {
    let texts: Option<Vec<&str>> = list(value, what)?.iter().map(Value::as_str).collect();
    texts.ok_or_else(|| ParityError::MissingInput(format!("{what} as texts")))
}

/// What differs, collected over all outputs of a case.
#[derive(Default)]
pub(crate) struct Differences(Vec<String>);

impl Differences {
    /// Compares one output; `place` says which.
    pub(crate) fn compare(&mut self, place: impl std::fmt::Display, got: &Value, want: &Value) {
        if !same(got, want) {
            self.0.push(format!("{place}: got {got}, want {want}"));
        }
    }

    /// # Errors
    /// With every difference, if there is one.
    pub(crate) fn finish(self) -> Result<(), ParityError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ParityError::Computation(self.0.join("\n")))
    }
}

/// Equal, where 1 and 1.0 are the same number.
fn same(got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Number(got), Value::Number(want)) => got.as_f64() == want.as_f64(),
        _ => got == want,
    }
}
