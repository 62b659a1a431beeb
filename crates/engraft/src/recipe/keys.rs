//! Keys of a recipe that are the flags of a verb: one parser, one set of defaults and bounds for both.

use clap::{
    ArgMatches, Args, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use serde_json::{Map, Value};

use super::{Section, yaml};

/// The flags `T` from the keys of a section (`max_tokens: 512` is `--max-tokens 512`; a list is a flag given several
/// times), and all of them with their defaults. `usual` holds keys that count where the section has none.
///
/// What is wrong goes to the section's complaints; a key that is no flag is left for [`Section::finish`].
pub fn flags<T: Args>(section: &Section<'_>, usual: &[(&str, Value)]) -> Option<(T, Value)> {
    let command = T::augment_args(Command::new("step").no_binary_name(true));
    let names: Vec<String> = command
        .get_arguments()
        .map(|argument| argument.get_id().to_string())
        .collect();
    let mut given = section.rest(names.iter().cloned());
    for (key, value) in usual {
        given.entry(*key).or_insert_with(|| value.clone());
    }
    let words = given.iter().flat_map(|(key, value)| words(key, value));
    let complain = |error: &clap::Error| complain(section, &names, error);
    let matches = command
        .clone()
        .try_get_matches_from(words)
        .map_err(|error| complain(&error))
        .ok()?;
    let flags = T::from_arg_matches(&matches)
        .map_err(|error| complain(&error))
        .ok()?;
    Some((flags, settings(&command, &matches)))
}

/// A key and its value as words of a command line.
fn words(key: &str, value: &Value) -> Vec<String> {
    let flag = format!("--{}", key.replace('_', "-"));
    match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Bool(true) => vec![flag],
        Value::Array(list) => list.iter().flat_map(|value| words(key, value)).collect(),
        Value::String(text) => vec![format!("{flag}={text}")],
        other => vec![format!("{flag}={other}")],
    }
}

/// All flags with what they are set to; numbers are numbers.
fn settings(command: &Command, matches: &ArgMatches) -> Value {
    let value = |text: &std::ffi::OsStr| {
        let text = text.to_string_lossy();
        match yaml(&text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => Value::from(text),
        }
    };
    let set = command.get_arguments().filter_map(|argument| {
        let key = argument.get_id().as_str();
        let mut values: Vec<Value> = matches.get_raw(key)?.map(value).collect();
        let value = match values.len() {
            1 => values.remove(0),
            _ => Value::Array(values),
        };
        Some((key.to_owned(), value))
    });
    Value::Object(set.collect::<Map<_, _>>())
}

/// What the parser of flags says, at the key that it means.
fn complain(section: &Section<'_>, names: &[String], error: &clap::Error) {
    let flags: Vec<&str> = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => vec![flag],
        Some(ContextValue::Strings(flags)) => flags.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    // `--most-jobs <MOST_JOBS>`
    let key = |flag: &str| {
        let bare = flag.trim_start_matches('-').split(' ').next()?;
        Some(bare.replace('-', "_")).filter(|key| names.contains(key))
    };
    let keys: Vec<String> = flags.into_iter().filter_map(key).collect();
    if error.kind() == ErrorKind::MissingRequiredArgument && !keys.is_empty() {
        for key in keys {
            let needed = format!("needs the key `{key}`");
            section.complaints.add(&section.place, needed);
        }
        return;
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let first = text.split("\n\n").next().unwrap_or_default();
    let said = first.split_whitespace().collect::<Vec<_>>().join(" ");
    match &keys[..] {
        [key] => section
            .complaints
            .add(&format!("{}.{key}", section.place), said),
        _ => section.complaints.add(&section.place, said),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recipe::Complaints;

    #[derive(Args, Debug, PartialEq)]
    struct Flags {
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
        most_jobs: u16,
        #[arg(long)]
        folder: Vec<String>,
        #[arg(long)]
        bare: bool,
        #[arg(long)]
        model: String,
    }

    fn read(written: &Value) -> (Option<(Flags, Value)>, Vec<String>) {
        let complaints = Complaints::default();
        let section = Section::new("steps.0.repair", written, &complaints).unwrap();
        let flags = flags::<Flags>(&section, &[("most_jobs", json!(2))]);
        section.finish();
        (flags, complaints.list())
    }

    #[test]
    fn keys_are_flags_with_their_defaults() {
        let written = json!({"model": "-m", "folder": ["a b", "c"], "bare": true});
        let (flags, complaints) = read(&written);
        assert!(complaints.is_empty(), "{complaints:?}");
        let (flags, settings) = flags.unwrap();
        let folder = vec!["a b".to_owned(), "c".to_owned()];
        let model = "-m".to_owned();
        let want = Flags {
            most_jobs: 2,
            folder,
            bare: true,
            model,
        };
        assert_eq!(flags, want);
        let want = json!({"most_jobs": 2, "folder": ["a b", "c"], "bare": true, "model": "-m"});
        assert_eq!(settings, want);
    }

    #[test]
    fn a_wrong_value_names_its_key_and_an_unknown_key_the_nearest() {
        let (_, complaints) = read(&json!({"model": "m", "most_jobs": 9, "fodler": "a"}));
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(
            complaints[0].starts_with("steps.0.repair.most_jobs: invalid value '9'"),
            "{complaints:?}"
        );
        assert_eq!(
            complaints[1],
            "steps.0.repair: unknown key `fodler`; did you mean `folder`?"
        );
        let (flags, complaints) = read(&json!({}));
        assert!(flags.is_none());
        assert_eq!(complaints, ["steps.0.repair: needs the key `model`"]);
    }
}
