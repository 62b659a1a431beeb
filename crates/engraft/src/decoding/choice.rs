//! Decoding methods in words: `ck-plug:alpha=0.25`, and several: `greedy,coda:condition="tea, hot"`.

use std::{path::Path, str::FromStr};

use engraft_decode::DecodeEntry;
use serde::Deserialize;
use serde_json::{Map, Value, json};

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

/// Several methods with their settings.
#[derive(Clone)]
pub struct Choices(pub Vec<Choice>);

/// What a row of data says of its own prompt, for methods that ask for conditions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Stated {
    #[serde(default)]
    pub condition: Option<String>,
    #[serde(default)]
    pub neutral: Option<String>,
}

impl Choice {
    /// The settings on a row: with what it states, where the method has such settings.
    pub fn on(&self, row: &Stated) -> Value {
        let mut settings = self.settings.clone();
        for (key, stated) in [("condition", &row.condition), ("neutral", &row.neutral)] {
            if let (Some(setting), Some(stated)) = (settings.get_mut(key), stated) {
                *setting = json!(stated);
            }
        }
        settings
    }

    /// The files that the settings name, with the names of those settings.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let keys = self.entry.files.iter();
        let named = keys.filter_map(|key| Some((*key, self.settings.get(key)?.as_str()?)));
        named
            .filter(|(_, file)| !file.is_empty())
            .map(|(key, file)| (key, Path::new(file)))
    }
}

impl FromStr for Choice {
    type Err = anyhow::Error;

    fn from_str(written: &str) -> anyhow::Result<Self> {
        let mut parts = split(written, ':')?.into_iter();
        let entry = known(parts.next().unwrap_or_default())?;
        let mut settings = Map::new();
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                anyhow::anyhow!(
                    "`{written}`: `{part}` sets nothing; write KEY=VALUE, and a value with : or , \
                     in quotes"
                )
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

impl FromStr for Choices {
    type Err = anyhow::Error;

    fn from_str(written: &str) -> anyhow::Result<Self> {
        let choices = split(written, ',')?.into_iter().map(Choice::from_str);
        choices.collect::<anyhow::Result<_>>().map(Self)
    }
}

/// The parts between marks, of which those in a quoted value are none.
fn split(written: &str, mark: char) -> anyhow::Result<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut from, mut before, mut quote) = (0, ' ', None);
    for (at, letter) in written.char_indices() {
        match quote {
            Some(open) if letter == open && before != '\\' => quote = None,
            Some(_) => {}
            None if before == '=' && matches!(letter, '"' | '\'') => quote = Some(letter),
            None if letter == mark => {
                parts.push(&written[from..at]);
                from = at + letter.len_utf8();
            }
            None => {}
        }
        before = letter;
    }
    anyhow::ensure!(
        quote.is_none(),
        "`{written}`: a quote is opened and not closed"
    );
    parts.push(&written[from..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_hold_what_else_parts_methods_and_settings() {
        let written =
            r#"greedy,coda:condition="tea, hot: \"now\"":alpha=0.5,grad:graph='c:/a,b.json'"#;
        let Choices(all) = written.parse().unwrap();
        let names: Vec<&str> = all.iter().map(|one| one.entry.method.name).collect();
        assert_eq!(names, ["greedy", "coda", "grad"]);
        assert_eq!(all[1].settings["condition"], r#"tea, hot: "now""#);
        assert_eq!(all[1].settings["alpha"], 0.5);
        let files: Vec<_> = all[2].files().collect();
        assert_eq!(files, [("graph", Path::new("c:/a,b.json"))]);
        assert_eq!(all[1].files().count(), 0);
        for bad in ["coda:condition=\"tea", "coda:condition=a:b"] {
            let said = bad.parse::<Choices>().err().expect("a refusal").to_string();
            assert!(said.contains("quote"), "{said}");
        }
    }

    #[test]
    fn a_row_states_conditions_for_the_methods_that_ask_for_them() {
        let row = Stated {
            condition: Some("in winter".to_owned()),
            neutral: None,
        };
        let coda: Choice = "coda:neutral=at times".parse().unwrap();
        let settings = coda.on(&row);
        assert_eq!(settings["condition"], "in winter");
        assert_eq!(settings["neutral"], "at times");
        let greedy: Choice = "greedy".parse().unwrap();
        assert_eq!(greedy.on(&row), greedy.settings);
    }
}
