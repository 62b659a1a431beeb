//! A method's settings: one struct that recipes (serde) and flags (clap) both fill.

use clap::{ArgMatches, Args, Command};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::suggest::hint;

/// One setting of a method, for help texts and the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As recipes write it: `t_start`.
    pub name: String,
    pub default: String,
    pub help: String,
}

/// A configuration struct: documented fields, published defaults.
pub trait Settings: Args + Serialize + DeserializeOwned + Default {
    /// The fields with their documentation and defaults.
    fn fields() -> Vec<Field> {
        Self::augment_args(Command::new("settings"))
            .get_arguments()
            .map(|arg| Field {
                name: arg.get_id().to_string(),
                default: arg
                    .get_default_values()
                    .iter()
                    .map(|value| value.to_string_lossy().into_owned())
                    .collect::<Vec<_>>()
                    .join(" "),
                help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
            })
            .collect()
    }

    /// From a recipe's mapping; unknown keys are errors with the nearest known one.
    fn from_recipe(value: &Value) -> Result<Self, String> {
        let known = Self::fields();
        let map = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(map) => map,
            other => return Err(format!("settings are a mapping of keys, not `{other}`")),
        };
        for key in map.keys() {
            if !known.iter().any(|field| field.name == *key) {
                let names = known.iter().map(|field| field.name.as_str());
                return Err(format!(
                    "unknown key `{key}`; {}",
                    hint(key, names.collect::<Vec<_>>())
                ));
            }
        }
        serde_json::from_value(value.clone()).map_err(|error| error.to_string())
    }

    /// As a person would write them: through text, where an `f32` is its shortest decimal.
    fn as_written(&self) -> Result<Value, String> {
        let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// From flags.
    fn from_flags(matches: &ArgMatches) -> Result<Value, String> {
        let settings = Self::from_arg_matches(matches).map_err(|error| error.to_string())?;
        serde_json::to_value(settings).map_err(|error| error.to_string())
    }
}

impl<T: Args + Serialize + DeserializeOwned + Default> Settings for T {}
