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
pub fn flags<T: Args>(
    section: &Section<'_>,
    usual: &[(&str, Value)],
) -> Option<(T, Map<String, Value>)> {
    let command = T::augment_args(Command::new("step").no_binary_name(true));
    let names: Vec<String> = command
        .get_arguments()
        .map(|argument| argument.get_id().to_string())
        .collect();
    let mut given = section.rest(names.iter().cloned());
    for (key, value) in usual {
        given.entry(*key).or_insert_with(|| value.clone());
    }
    let mut wrong: Vec<String> = Vec::new();
    loop {
        let words = given
            .iter()
            .flat_map(|(key, value)| words(&command, key, value));
        match command.clone().try_get_matches_from(words) {
            Ok(matches) if wrong.is_empty() => {
                let flags = T::from_arg_matches(&matches).ok()?;
                return Some((flags, settings(&command, &matches, &given)));
            }
            Ok(_) => return None,
            Err(error) => {
                let meant = complain(section, &names, &wrong, &error);
                // Without the wrong one, the parser comes to the next.
                let wrong_before = wrong.len();
                wrong.extend(meant.into_iter().filter(|key| given.remove(key).is_some()));
                if wrong.len() == wrong_before {
                    return None;
                }
            }
        }
    }
}

/// A key and its value as words of a command line.
fn words(command: &Command, key: &str, value: &Value) -> Vec<String> {
    let flag = format!("--{}", key.replace('_', "-"));
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| argument.get_id() == key);
    let bare = argument.is_some_and(|argument| !argument.get_action().takes_values());
    match value {
        Value::Null => Vec::new(),
        Value::Bool(false) if bare => Vec::new(),
        Value::Bool(true) if bare => vec![flag],
        Value::Array(list) => {
            let values = list.iter();
            values
                .flat_map(|value| words(command, key, value))
                .collect()
        }
        Value::String(text) => vec![format!("{flag}={text}")],
        other => vec![format!("{flag}={other}")],
    }
}

/// All flags with what they are set to: as written, or the default.
fn settings(
    command: &Command,
    matches: &ArgMatches,
    given: &Map<String, Value>,
) -> Map<String, Value> {
    let usual = |text: &std::ffi::OsStr| {
        let text = text.to_string_lossy();
        match yaml(&text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => Value::from(text),
        }
    };
    let set = command.get_arguments().filter_map(|argument| {
        let key = argument.get_id().as_str();
        if let Some(written) = given.get(key) {
            return Some((key.to_owned(), written.clone()));
        }
        let value = usual(matches.get_raw(key)?.next()?);
        Some((key.to_owned(), value))
    });
    set.collect()
}

/// What the parser of flags says, at the keys that it means; gives these. What is missing because it was wrong is not
/// said again.
fn complain(
    section: &Section<'_>,
    names: &[String],
    wrong: &[String],
    error: &clap::Error,
) -> Vec<String> {
    let flags: Vec<&str> = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => vec![flag],
        Some(ContextValue::Strings(flags)) => flags.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    // `--most-jobs <MOST_JOBS>`, `--bare=5`
    let key = |flag: &str| {
        let bare = flag.trim_start_matches('-').split([' ', '=']).next()?;
        Some(bare.replace('-', "_")).filter(|key| names.contains(key))
    };
    let keys: Vec<String> = flags.into_iter().filter_map(key).collect();
    if error.kind() == ErrorKind::MissingRequiredArgument && !keys.is_empty() {
        for key in keys.iter().filter(|key| !wrong.contains(key)) {
            let needed = format!("needs the key `{key}`");
            section.complaints.add(&section.place, needed);
        }
        return keys;
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
    keys
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
        #[arg(long, default_value_t = 5)]
        tries: u32,
    }

    type Found = (Flags, Map<String, Value>);

    fn read(written: &Value) -> (Option<Found>, Vec<String>) {
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
            tries: 5,
        };
        assert_eq!(flags, want);
        let want = json!({"most_jobs": 2, "folder": ["a b", "c"], "bare": true, "model": "-m", "tries": 5});
        assert_eq!(Value::Object(settings), want);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_its_key() {
        let written = json!({
            "most_jobs": 9, "folder": [false, "a"], "bare": 5, "fodler": "a", "tries": "x",
        });
        let (flags, complaints) = read(&written);
        assert!(flags.is_none());
        for said in [
            "steps.0.repair.most_jobs: invalid value '9'",
            "steps.0.repair.bare: unexpected value '5'",
            "steps.0.repair.tries: invalid value 'x'",
            "steps.0.repair: needs the key `model`",
            "steps.0.repair: unknown key `fodler`; did you mean `folder`?",
        ] {
            let found = complaints
                .iter()
                .any(|complaint| complaint.starts_with(said));
            assert!(found, "`{said}` is not in {complaints:?}");
        }
        assert_eq!(complaints.len(), 5, "{complaints:?}");
    }

    #[test]
    fn a_number_is_a_name_where_a_name_is_asked_for_and_no_is_no_number() {
        let (flags, complaints) = read(&json!({"model": "70"}));
        let (flags, settings) = flags.unwrap();
        assert!(complaints.is_empty(), "{complaints:?}");
        assert_eq!(
            (flags.model.as_str(), &settings["model"]),
            ("70", &json!("70"))
        );
        assert_eq!(settings["tries"], 5);
        let (flags, complaints) = read(&json!({"model": "m", "tries": false}));
        assert!(flags.is_none());
        assert!(
            complaints[0].starts_with("steps.0.repair.tries: invalid value 'false'"),
            "{complaints:?}"
        );
    }
}
