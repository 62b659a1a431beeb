//! Which run a folder is of: `args.json` keeps what all its issues share.

use std::{fs, io, path::Path};

use engraft_files::atomic::write_file;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Job;
use crate::{RecordError, methods::experepair::ExpeRepair};

/// What all issues of a run share.
#[derive(Serialize)]
pub(super) struct Args<'a> {
    pub method: &'a str,
    pub model: &'a str,
    pub second_model: &'a str,
    pub settings: &'a ExpeRepair,
}

impl Args<'_> {
    /// Marks a folder as that of this run and these issues, or sees that it is. Settings that the file lacks, being
    /// of an earlier version, have their default; issues that it lacks are new.
    ///
    /// # Errors
    /// If it is of another run, or of an issue with another text; then the first value that differs is named.
    pub(super) fn claim(&self, out: &Path, jobs: &[Job]) -> Result<(), RecordError> {
        let path = out.join("args.json");
        let issues = jobs.iter().map(|job| {
            let text = blake3::hash(job.task.issue.as_bytes()).to_hex();
            (job.task.id.clone(), Value::from(&text[..16]))
        });
        let issues: Map<String, Value> = issues.collect();
        let unreadable = |problem: String| RecordError::Read {
            path: path.clone(),
            problem,
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.write(&path, issues);
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let known = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        let (known, now) = (entries(known), entries(object(self)));
        let mut keys = now.keys().chain(known.keys()).filter(|key| *key != ISSUES);
        if let Some(key) = keys.find(|key| now.get(*key) != known.get(*key)) {
            return Err(RecordError::OtherRun {
                setting: key.clone(),
                before: shown(known.get(key)),
                now: shown(now.get(key)),
                path,
            });
        }
        let mut all = match known.get(ISSUES) {
            Some(Value::Object(known)) => known.clone(),
            _ => Map::new(),
        };
        for (id, text) in issues {
            if let Some(before) = all.get(&id).filter(|before| **before != text) {
                return Err(RecordError::OtherRun {
                    setting: format!("the text of {id}"),
                    before: before.to_string(),
                    now: text.to_string(),
                    path,
                });
            }
            all.insert(id, text);
        }
        self.write(&path, all)
    }

    fn write(&self, path: &Path, issues: Map<String, Value>) -> Result<(), RecordError> {
        let mut args = object(self);
        args.insert(ISSUES.to_owned(), Value::Object(issues));
        let text = serde_json::to_string_pretty(&args).unwrap_or_default() + "\n";
        Ok(write_file(path, text.as_bytes())?)
    }
}

/// The key of hashes of the issues' texts, by issue: a stage that is finished was about that text.
const ISSUES: &str = "issues";

/// All values by their names, with the default of each setting that has none.
fn entries(mut args: Map<String, Value>) -> Map<String, Value> {
    let settings = args.remove("settings");
    args.extend(object(&ExpeRepair::default()));
    if let Some(Value::Object(settings)) = settings {
        args.extend(settings);
    }
    args
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("unknown".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{
        methods::experepair::{Channels, Effort, Selection},
        task::Task,
    };

    fn claim(out: &TempDir, settings: &ExpeRepair, model: &str) -> Result<(), String> {
        let args = Args {
            method: "experepair",
            model,
            second_model: "small",
            settings,
        };
        args.claim(out.path(), &[])
            .map_err(|error| error.to_string())
    }

    /// A folder that was claimed with the defaults, then edited.
    fn claimed(edit: impl Fn(&mut Value)) -> TempDir {
        let out = tempfile::tempdir().unwrap();
        claim(&out, &ExpeRepair::default(), "large").unwrap();
        let path = out.path().join("args.json");
        let mut args = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        edit(&mut args);
        fs::write(&path, args.to_string()).unwrap();
        out
    }

    #[test]
    fn the_first_value_that_differs_is_named_with_both_values() {
        let out = claimed(|_| {});
        let settings = ExpeRepair {
            memory: Channels::None,
            effort: Effort {
                candidates: 9,
                temperature: 0.3,
                ..Effort::default()
            },
            ..ExpeRepair::default()
        };
        for (settings, model, said) in [
            (
                &settings,
                "large",
                "memory was \"both\" when the run began and is \"none\" now",
            ),
            (
                &settings,
                "other",
                "model was \"large\" when the run began and is \"other\" now",
            ),
        ] {
            let error = claim(&out, settings, model).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(
                error.contains("args.json") && error.contains("another folder"),
                "{error}"
            );
        }
        claim(&out, &ExpeRepair::default(), "large").unwrap();
    }

    #[test]
    fn a_setting_that_the_file_lacks_has_its_default() {
        let out = claimed(|args| {
            args["settings"]
                .as_object_mut()
                .unwrap()
                .remove("selection");
        });
        claim(&out, &ExpeRepair::default(), "large").unwrap();
        let settings = ExpeRepair {
            effort: Effort {
                selection: Selection::Vote,
                ..Effort::default()
            },
            ..ExpeRepair::default()
        };
        let error = claim(&out, &settings, "large").unwrap_err();
        assert!(error.contains("selection was \"panel\""), "{error}");
    }

    #[test]
    fn a_setting_of_a_later_version_is_a_difference() {
        let out = claimed(|args| args["settings"]["judges"] = 3.into());
        let error = claim(&out, &ExpeRepair::default(), "large").unwrap_err();
        assert!(
            error.contains("judges was 3") && error.contains("is unknown now"),
            "{error}"
        );
    }

    #[test]
    fn an_issue_whose_text_has_changed_is_another_one_and_a_further_issue_is_not() {
        let out = tempfile::tempdir().unwrap();
        let settings = ExpeRepair::default();
        let args = Args {
            method: "experepair",
            model: "large",
            second_model: "small",
            settings: &settings,
        };
        let job = |id: &str, issue: &str| Job {
            task: Task {
                id: id.to_owned(),
                repository: "owner/calc".to_owned(),
                issue: issue.to_owned(),
                created: None,
            },
            checkout: "calc".into(),
        };
        let one = job("calc-1", "add is wrong");
        args.claim(out.path(), std::slice::from_ref(&one)).unwrap();
        args.claim(out.path(), &[job("calc-2", "so is sub")])
            .unwrap();
        args.claim(out.path(), &[one]).unwrap();
        let changed = job("calc-2", "sub is wrong");
        let error = args.claim(out.path(), &[changed]).unwrap_err().to_string();
        assert!(error.contains("the text of calc-2 was"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let out = claimed(|args| *args = 3.into());
        let error = claim(&out, &ExpeRepair::default(), "large").unwrap_err();
        assert!(
            error.contains("args.json") && error.contains("remove the file"),
            "{error}"
        );
    }
}
