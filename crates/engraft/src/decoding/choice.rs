//! A decoding method in one word: `ck-plug:alpha=0.25`.

use std::str::FromStr;

use engraft_decode::DecodeEntry;
use serde_json::{Map, Value};

use super::known;

/// A method with its settings.
#[derive(Clone)]
pub struct Choice {
    /// As it was written.
    pub name: String,
    pub entry: DecodeEntry,
    /// Every default filled in.
    pub settings: Value,
}

impl FromStr for Choice {
    type Err = anyhow::Error;

    fn from_str(written: &str) -> anyhow::Result<Self> {
        let mut parts = written.split(':');
        let entry = known(parts.next().unwrap_or_default())?;
        let mut settings = Map::new();
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                anyhow::anyhow!("`{written}`: `{part}` sets nothing; write KEY=VALUE")
            })?;
            let value = crate::recipe::yaml(value)
                .map_err(|problem| anyhow::anyhow!("{written}: {key}: {problem}"))?;
            settings.insert(key.to_owned(), value);
        }
        let settings = entry
            .normalise(&Value::Object(settings))
            .map_err(|problem| anyhow::anyhow!("{written}: {problem}"))?;
        Ok(Self {
            name: written.to_owned(),
            entry,
            settings,
        })
    }
}
