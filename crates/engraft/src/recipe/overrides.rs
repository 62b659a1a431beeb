//! `--set steps.0.train.lr=0.01`: one value of a recipe replaced from the command line.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

/// A path into a recipe and the value to put there.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    path: Vec<String>,
    value: Value,
}

/// Most keys of a path: far more than any recipe has, far fewer than overflow the stack.
const DEEPEST: usize = 32;

impl FromStr for Override {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` has no `=`; write a.b=value"))?;
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return Err(format!("`{path}` is not a path; write a.b=value"));
        }
        if path.split('.').count() > DEEPEST {
            return Err(format!(
                "the path has more than {DEEPEST} keys; no recipe is so deep"
            ));
        }
        Ok(Self {
            path: path.split('.').map(str::to_owned).collect(),
            value: super::yaml(value)?,
        })
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path.join("."), self.value)
    }
}

impl Override {
    /// Replaces or adds the value; mappings on the way are made, lists must have the place.
    pub fn apply(&self, root: &mut Map<String, Value>) -> Result<(), String> {
        let (last, way) = self.path.split_last().expect("parsing refuses empty paths");
        let mut place: &mut Value = root
            .entry(self.path[0].clone())
            .or_insert_with(|| Value::Object(Map::new()));
        if way.is_empty() {
            *place = self.value.clone();
            return Ok(());
        }
        for key in &way[1..] {
            place = enter(place, key)?;
        }
        *enter(place, last)? = self.value.clone();
        Ok(())
    }
}

fn enter<'a>(place: &'a mut Value, key: &str) -> Result<&'a mut Value, String> {
    match place {
        Value::Object(map) => Ok(map
            .entry(key.to_owned())
            .or_insert_with(|| Value::Object(Map::new()))),
        Value::Array(list) => {
            let length = list.len();
            key.parse::<usize>()
                .ok()
                .and_then(|index| list.get_mut(index))
                .ok_or_else(|| format!("`{key}` is not a place in a list of {length}"))
        }
        _ => Err(format!("`{key}` lies inside a plain value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_typed_and_lists_are_addressed_by_number() {
        let mut root = json!({"steps": [{"train": {"lr": 1}}], "seed": 7});
        let root = root.as_object_mut().unwrap();
        for text in ["steps.0.train.lr=0.5", "seed=3", "data.new.text=a.txt"] {
            text.parse::<Override>().unwrap().apply(root).unwrap();
        }
        assert_eq!(root["steps"][0]["train"]["lr"], json!(0.5));
        assert_eq!(root["seed"], json!(3));
        assert_eq!(root["data"]["new"]["text"], json!("a.txt"));
        let beyond: Override = "steps.4.train.lr=1".parse().unwrap();
        assert!(beyond.apply(root).unwrap_err().contains("list of 1"));
        assert!("steps".parse::<Override>().is_err());
    }

    #[test]
    fn a_path_deeper_than_any_recipe_is_refused() {
        let path = ["a"; 100_000].join(".");
        let error = format!("{path}=1").parse::<Override>().unwrap_err();
        assert!(error.contains("more than 32 keys"), "{error}");
    }
}
