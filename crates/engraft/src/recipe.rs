//! A recipe as the user wrote it: what data, what models, what steps. Nothing is filled in yet.

mod keys;
mod overrides;
mod section;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::{Map, Value};

pub use keys::flags;
pub use overrides::Override;
pub use section::{Complaints, Section, said};

/// The recipes that travel inside the binary.
pub const EMBEDDED: [(&str, &str); 2] = [
    (
        "quickstart",
        include_str!("../../../recipes/quickstart.yaml"),
    ),
    (
        "teach-smollm2",
        include_str!("../../../recipes/teach-smollm2.yaml"),
    ),
];

/// Why a recipe could not be read. What is wrong inside it is for the plan to say, all at once.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("cannot read the recipe {path}: {reason}; give a YAML file, or one of: {known}")]
    Unreadable {
        path: PathBuf,
        reason: String,
        known: String,
    },
    #[error("the recipe {path} is not YAML ({reason}); mend that place")]
    Syntax { path: PathBuf, reason: String },
    #[error("the recipe {path} must be a mapping with the keys data, models and steps")]
    NotAMapping { path: PathBuf },
    #[error("--quick: {0}")]
    Quick(String),
    #[error("--set {text}: {reason}")]
    Override { text: String, reason: String },
}

/// A recipe: parsed, possibly incomplete or wrong.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What the run's folder is called.
    pub name: String,
    /// What complaints call it: `the recipe small.yaml`, `engraft train`.
    pub origin: String,
    /// Where relative paths start.
    pub directory: PathBuf,
    pub root: Map<String, Value>,
}

impl Recipe {
    /// An embedded recipe by name, or a YAML file by path.
    pub fn load(name: &str) -> Result<Self, RecipeError> {
        if let Some((name, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
            return Self::read(text, Path::new(name), name, Path::new("."));
        }
        let path = Path::new(name);
        let text = std::fs::read_to_string(path).map_err(|error| RecipeError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
            known: EMBEDDED.map(|(name, _)| name).join(", "),
        })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let directory = path.parent().unwrap_or(Path::new("."));
        Self::read(&text, path, &stem, directory)
    }

    /// From YAML text; `name` and `directory` as in [`Recipe`].
    pub fn parse(text: &str, name: &str, directory: &Path) -> Result<Self, RecipeError> {
        Self::read(text, Path::new(name), name, directory)
    }

    fn read(text: &str, path: &Path, name: &str, directory: &Path) -> Result<Self, RecipeError> {
        let root = yaml(text).map_err(|reason| RecipeError::Syntax {
            path: path.to_owned(),
            reason,
        })?;
        let Value::Object(root) = root else {
            return Err(RecipeError::NotAMapping {
                path: path.to_owned(),
            });
        };
        Ok(Self {
            name: name.to_owned(),
            origin: format!("the recipe {}", path.display()),
            directory: directory.to_owned(),
            root,
        })
    }

    /// A recipe of one step, as a verb of the command line makes it.
    pub fn one_step(
        name: &str,
        data: IndexMap<String, Value>,
        models: IndexMap<String, Value>,
        verb: &str,
        step: Map<String, Value>,
    ) -> Self {
        let mapping =
            |entries: IndexMap<String, Value>| Value::Object(entries.into_iter().collect());
        let mut root = Map::new();
        root.insert("data".to_owned(), mapping(data));
        root.insert("models".to_owned(), mapping(models));
        root.insert(
            "steps".to_owned(),
            Value::Array(vec![Value::Object(Map::from_iter([(
                verb.to_owned(),
                Value::Object(step),
            )]))]),
        );
        Self {
            name: name.to_owned(),
            origin: format!("engraft {verb}"),
            directory: PathBuf::from("."),
            root,
        }
    }

    /// Applies `--set a.b=c`.
    pub fn set(&mut self, change: &Override) -> Result<(), RecipeError> {
        change
            .apply(&mut self.root)
            .map_err(|reason| RecipeError::Override {
                text: change.to_string(),
                reason,
            })
    }

    /// Cuts the recipe to its short form: `quick: { seeds: 1, steps: [a, b] }`.
    pub fn quick(&mut self) -> Result<(), RecipeError> {
        let fail = |problem: String| Err(RecipeError::Quick(problem));
        let Some(Value::Object(quick)) = self.root.get("quick").cloned() else {
            return fail(format!("{} has no short form (`quick`)", self.origin));
        };
        let complaints = Complaints::default();
        let section = Section::of("quick", &quick, &complaints);
        let seeds: Option<u64> = section.get("seeds");
        let names: Option<Vec<String>> = section.get("steps");
        section.finish();
        if !complaints.is_empty() {
            return fail(complaints.list().join("; "));
        }
        if let Some(seeds) = seeds {
            self.root.insert("seeds".to_owned(), seeds.into());
        }
        if let (Some(names), Some(Value::Array(steps))) = (names, self.root.get_mut("steps")) {
            let name = |step: &Value| {
                let (verb, body) = step.as_object()?.iter().next()?;
                crate::plan::step::name_of(verb, body)
            };
            let known: Vec<String> = steps.iter().filter_map(name).collect();
            if let Some(odd) = names.iter().find(|wanted| !known.contains(wanted)) {
                return fail(format!(
                    "`quick` names the step `{odd}`, which is not there"
                ));
            }
            steps.retain(|step| name(step).is_some_and(|name| names.contains(&name)));
        }
        Ok(())
    }

    /// The recipe as YAML, for the report.
    pub fn yaml(&self) -> String {
        serde_yaml_ng::to_string(&self.root).unwrap_or_default()
    }
}

/// A value from YAML; a key that stands twice in one mapping is an error.
pub fn yaml(text: &str) -> Result<Value, String> {
    // YAML's own value keeps both of two equal keys apart long enough to refuse them.
    let value: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    serde_yaml_ng::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_an_error_and_numbers_keep_their_kind() {
        assert!(yaml("a: 1\na: 2").unwrap_err().contains("duplicate"));
        assert!(yaml("a: {b: 1, b: 1}").is_err());
        let mixed = yaml("{a: 1, b: 1e-3, c: yes, d: [x, ~]}").unwrap();
        assert_eq!(
            mixed,
            serde_json::json!({"a": 1, "b": 1e-3, "c": "yes", "d": ["x", null]})
        );
    }
}
