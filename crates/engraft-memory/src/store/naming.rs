//! What an item is called: its kind and a hash of what it says, so that the same thing gets the same name
//! in every memory.

use serde_json::{Map, Value};

use crate::{Draft, Id};

/// Crockford's digits: no letter that is easily read as another one.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many of them a name has; five bits each.
const LENGTH: usize = 8;

/// The hash of all that makes two items the same: kind, scope, role, text and data.
pub(crate) fn content_hash(draft: &Draft) -> [u8; 32] {
    *hasher(draft).finalize().as_bytes()
}

/// The hash of a text, by which an embedding knows whether it is still the item's.
pub(crate) fn text_hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// The name of an item. Where that is taken by something else, `salt` gives another one.
pub(crate) fn name(draft: &Draft, salt: Option<u64>) -> Id {
    let mut hasher = hasher(draft);
    if let Some(salt) = salt {
        hasher.update(&salt.to_le_bytes());
    }
    let hash = hasher.finalize();
    let bits = hash.as_bytes()[..5]
        .iter()
        .fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    let digit = |place: usize| {
        let shift = 5 * (LENGTH - 1 - place);
        char::from(DIGITS[(bits >> shift) as usize & 31])
    };
    let digits: String = (0..LENGTH).map(digit).collect();
    Id(format!("{}-{digits}", draft.kind.name()))
}

/// Each part goes in with its length before it, so that no two contents run together into one.
fn hasher(draft: &Draft) -> blake3::Hasher {
    let data = sorted(&draft.data).to_string();
    let mut hasher = blake3::Hasher::new();
    for part in [
        draft.kind.name(),
        &draft.scope,
        &draft.role,
        &draft.text,
        &data,
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher
}

/// The same data with the keys of every object in order.
fn sorted(data: &Value) -> Value {
    match data {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(Map::from_iter(entries))
        }
        Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Kind;

    fn draft(text: &str, data: Value) -> Draft {
        Draft {
            data,
            ..Draft::new(Kind::Insight, text)
        }
    }

    #[test]
    fn a_name_is_the_kind_and_eight_digits_and_is_the_same_tomorrow() {
        let name = name(&draft("Read the traceback first.", Value::Null), None);
        assert_eq!(name.0, "insight-1q4fgbda");
    }

    #[test]
    fn the_order_of_keys_is_no_difference_and_everything_else_is_one() {
        let one = draft("a", json!({"x": 1, "y": {"p": 1, "q": 2}}));
        let other = draft("a", json!({"y": {"q": 2, "p": 1}, "x": 1}));
        assert_eq!(content_hash(&one), content_hash(&other));
        let shifted = Draft {
            scope: "a".into(),
            ..draft("b", Value::Null)
        };
        let moved = Draft {
            role: "a".into(),
            ..draft("b", Value::Null)
        };
        assert_ne!(content_hash(&shifted), content_hash(&moved));
        assert_ne!(name(&one, None), name(&one, Some(7)));
    }
}
