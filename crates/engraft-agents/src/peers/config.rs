//! Configurations merged left to right, and single values that override them: `agent.step_limit=5`.

use serde_json::{Map, Value};

/// Why a text is no override.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    #[error("`{0}` has no `=`; write a key and its value: agent.step_limit=5")]
    NoValue(String),
    #[error("`{0}` has an empty part in its key; write parts joined by dots: agent.step_limit=5")]
    EmptyKey(String),
    #[error("`{0}` has more than {MOST_PARTS} parts in its key; name a key that exists")]
    TooDeep(String),
}

/// So that no key makes an object too deep to be walked through.
const MOST_PARTS: usize = 64;

/// All objects as one: objects under the same key are merged, of other values the later one stays.
/// Configurations that are not there are skipped.
pub fn merged(
    configurations: impl IntoIterator<Item = Option<Map<String, Value>>>,
) -> Map<String, Value> {
    let mut result = Map::new();
    for configuration in configurations.into_iter().flatten() {
        merge(&mut result, configuration);
    }
    result
}

/// Files are read up to 128 levels deep, so that this does not go deeper either.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The configuration that an override stands for. A value that reads as JSON is that value, any other
/// is text.
///
/// # Errors
/// If there is no `=`, or a part of the key is empty.
pub fn override_from(written: &str) -> Result<Map<String, Value>, OverrideError> {
    let (key, value) = written
        .split_once('=')
        .ok_or_else(|| OverrideError::NoValue(written.to_owned()))?;
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(OverrideError::EmptyKey(written.to_owned()));
    }
    if parts.len() > MOST_PARTS {
        return Err(OverrideError::TooDeep(written.to_owned()));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let object = |value, part: &str| Map::from_iter([(part.to_owned(), value)]);
    let (first, below) = parts.split_first().unwrap_or((&"", &[]));
    let value = below
        .iter()
        .rev()
        .fold(value, |value, part| Value::Object(object(value, part)));
    Ok(object(value, first))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{OverrideError, merged, override_from};

    fn object(value: Value) -> Option<Map<String, Value>> {
        value.as_object().cloned()
    }

    #[test]
    fn an_override_changes_its_key_and_nothing_beside_it() {
        let file = object(json!({"agent": {"steps": 1, "cost": 2}, "x": [1]}));
        let all = merged([file, None, override_from("agent.steps=5").ok()]);
        assert_eq!(
            Value::Object(all),
            json!({"agent": {"steps": 5, "cost": 2}, "x": [1]})
        );
    }

    #[test]
    fn values_are_json_or_else_text() {
        let value = |written| Value::Object(override_from(written).unwrap());
        assert_eq!(value("a.b=[1, 2]"), json!({"a": {"b": [1, 2]}}));
        assert_eq!(value("a=gpt-x=1"), json!({"a": "gpt-x=1"}));
        assert!(matches!(override_from("a"), Err(OverrideError::NoValue(_))));
        assert!(matches!(
            override_from("a..b=1"),
            Err(OverrideError::EmptyKey(_))
        ));
        let deep = format!("{}a=1", "a.".repeat(100_000));
        assert!(matches!(
            override_from(&deep),
            Err(OverrideError::TooDeep(_))
        ));
    }

    #[test]
    fn later_values_replace_earlier_ones_of_another_kind() {
        let all = merged([object(json!({"a": {"b": 1}})), object(json!({"a": null}))]);
        assert_eq!(Value::Object(all), json!({"a": null}));
    }
}
