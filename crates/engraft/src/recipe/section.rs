//! Reading a mapping key by key: what is asked for is known, what is left over is a mistake.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use engraft_method::suggest::hint;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Everything that is wrong with a recipe, gathered before anything runs.
#[derive(Clone, Debug, Default)]
pub struct Complaints(Rc<RefCell<Vec<String>>>);

impl Complaints {
    /// Once, even where several steps come upon the same mistake.
    pub fn add(&self, place: &str, what: impl std::fmt::Display) {
        let complaint = format!("{place}: {what}");
        let mut all = self.0.borrow_mut();
        if !all.contains(&complaint) {
            all.push(complaint);
        }
    }

    pub fn list(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

/// A mapping of the recipe with its place in it (`steps.0.train`).
pub struct Section<'a> {
    pub place: String,
    pub complaints: Complaints,
    map: &'a Map<String, Value>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    /// Complains and returns `None` if the value is not a mapping. Null is an empty one.
    pub fn new(
        place: impl Into<String>,
        value: &'a Value,
        complaints: &Complaints,
    ) -> Option<Self> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let place = place.into();
        let map = match value {
            Value::Object(map) => map,
            Value::Null => &*EMPTY,
            other => {
                complaints.add(&place, format!("must be a mapping of keys, not `{other}`"));
                return None;
            }
        };
        Some(Self::of(place, map, complaints))
    }

    pub fn of(
        place: impl Into<String>,
        map: &'a Map<String, Value>,
        complaints: &Complaints,
    ) -> Self {
        Self {
            place: place.into(),
            complaints: complaints.clone(),
            map,
            asked: RefCell::default(),
        }
    }

    /// The raw value of a key; asking makes the key known.
    pub fn raw(&self, key: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A value of a type, if the key is there and fits.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.raw(key)?;
        match serde_json::from_value(value.clone()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.complaints.add(
                    &format!("{}.{key}", self.place),
                    format!("`{value}`: {}", said(&error)),
                );
                None
            }
        }
    }

    /// The same for a key that must be there.
    pub fn need<T: DeserializeOwned>(&self, key: &str, what: &str) -> Option<T> {
        if self.raw(key).is_none() {
            self.complaints
                .add(&self.place, format!("needs the key `{key}`: {what}"));
            return None;
        }
        self.get(key)
    }

    /// All keys not asked for so far that are among `known`, as one mapping (settings of a method).
    pub fn rest(&self, known: impl IntoIterator<Item = String>) -> Map<String, Value> {
        known
            .into_iter()
            .filter_map(|key| Some((key.clone(), self.raw(&key)?.clone())))
            .collect()
    }

    /// The keys that are there, in order.
    pub fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.map.keys()
    }

    /// Complains about every key that nobody asked for, with the nearest that somebody did.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.map.keys().filter(|key| !asked.contains(*key)) {
            let known: Vec<&str> = asked.iter().map(String::as_str).collect();
            self.complaints.add(
                &self.place,
                format!("unknown key `{key}`; {}", hint(key, known)),
            );
        }
    }
}

/// What serde found wrong, in our words where it is a key that nobody knows.
pub fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let Some(rest) = text.strip_prefix("unknown field `") else {
        return text;
    };
    // unknown field `a`, expected one of `b`, `c`: every second piece is a name.
    let mut names = rest.split('`').step_by(2);
    let typed = names.next().unwrap_or_default();
    let known: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    format!("unknown key `{typed}`; {}", hint(typed, known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_unknown_key_of_a_struct_gets_the_nearest_one() {
        #[derive(serde::Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        struct Two {
            _layers: usize,
            _width: usize,
        }
        let wrong = serde_json::from_value::<Two>(json!({"_widht": 1})).unwrap_err();
        assert_eq!(said(&wrong), "unknown key `_widht`; did you mean `_width`?");
        let other = serde_json::from_value::<Two>(json!({"_layers": "a"})).unwrap_err();
        assert!(said(&other).contains("invalid type"), "{}", said(&other));
    }

    #[test]
    fn all_mistakes_are_said_at_once_with_place_and_nearest_key() {
        let complaints = Complaints::default();
        let value = json!({"modle": "a", "steps": "many"});
        let section = Section::new("steps.0.train", &value, &complaints).unwrap();
        let _: Option<String> = section.need("model", "the model to train");
        let _: Option<usize> = section.get("steps");
        section.finish();
        let all = complaints.list().join("\n");
        assert_eq!(complaints.list().len(), 3, "{all}");
        assert!(
            all.contains("unknown key `modle`; did you mean `model`?"),
            "{all}"
        );
        assert!(all.contains("steps.0.train.steps: `\"many\"`"), "{all}");
    }
}
