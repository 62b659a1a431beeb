//! Our answers beside those that the reference cases store as JSON, which differ from row to row and are read key
//! by key.

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

/// A list of the case's file.
pub(crate) fn rows<'a>(case: &'a Case, key: &str) -> Result<&'a [Value], ParityError> {
    list(case.entry(key)?, key)
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
