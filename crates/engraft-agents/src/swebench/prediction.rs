//! Predictions: the patch of a system for each instance, in the three forms that the harness reads.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{SweBenchError, instance::without_place};

/// A patch for an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    pub model_name_or_path: String,
    pub instance_id: String,
    /// A unified diff; empty if there is none.
    #[serde(default, deserialize_with = "patch")]
    pub model_patch: String,
}

/// Some systems write null for no patch.
fn patch<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `all_preds.jsonl`: an object a line (Agentless, SWE-agent).
    Lines,
    /// One list.
    List,
    /// `preds.json`: one object, keyed by instance (mini-swe-agent).
    ById,
}

/// Reads predictions in any of the three forms, in the order of the file.
///
/// # Errors
/// If the file cannot be read, is none of the forms, or keys a prediction by another instance.
pub fn read_predictions(path: &Path) -> Result<Vec<Prediction>, SweBenchError> {
    let text = std::fs::read_to_string(path).map_err(|source| SweBenchError::Read {
        path: path.to_owned(),
        source,
    })?;
    let at_line = |line, error: &serde_json::Error| SweBenchError::Line {
        path: path.to_owned(),
        line,
        problem: format!("not a prediction of SWE-bench: {}", without_place(error)),
    };
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).map_err(|error| at_line(error.line(), &error));
    }
    match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(object) if !object.get("instance_id").is_some_and(Value::is_string) => by_id(object)
            .map_err(|problem| SweBenchError::File {
                path: path.to_owned(),
                problem,
            }),
        _ => text
            .lines()
            .zip(1..)
            .filter(|(line, _)| !line.trim().is_empty())
            .map(|(line, number)| {
                serde_json::from_str(line).map_err(|error| at_line(number, &error))
            })
            .collect(),
    }
}

fn by_id(object: Map<String, Value>) -> Result<Vec<Prediction>, String> {
    let predictions = object.into_iter().map(|(id, mut value)| {
        if let Value::Object(fields) = &mut value {
            let named = fields
                .entry("instance_id")
                .or_insert_with(|| id.clone().into());
            if *named != id {
                return Err(format!(
                    "`{id}` holds the prediction of {named}; make the two one"
                ));
            }
        }
        serde_json::from_value(value)
            .map_err(|error| format!("`{id}` is not a prediction of SWE-bench: {error}"))
    });
    predictions.collect()
}

/// Writes predictions; the file is there whole or not at all.
///
/// # Errors
/// If the file cannot be written, or if two predictions are for one instance and the form has place for
/// one.
pub fn write_predictions(
    path: &Path,
    predictions: &[Prediction],
    format: Format,
) -> Result<(), SweBenchError> {
    let failed = |problem| SweBenchError::File {
        path: path.to_owned(),
        problem,
    };
    let json = |error: serde_json::Error| failed(error.to_string());
    let text = match format {
        Format::Lines => {
            let lines = predictions.iter().map(serde_json::to_string);
            let lines: Result<Vec<String>, _> = lines.collect();
            let lines = lines.map_err(json)?.into_iter();
            lines.flat_map(|line| [line, "\n".to_owned()]).collect()
        }
        Format::List => serde_json::to_string_pretty(predictions).map_err(json)? + "\n",
        Format::ById => {
            let mut keyed = BTreeMap::new();
            for prediction in predictions {
                let id = prediction.instance_id.as_str();
                if keyed.insert(id, prediction).is_some() {
                    let problem = format!("two predictions are for `{id}`; keep one of them");
                    return Err(failed(problem));
                }
            }
            serde_json::to_string_pretty(&keyed).map_err(json)? + "\n"
        }
    };
    Ok(engraft_files::write_file(path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Format, Prediction, read_predictions, write_predictions};

    fn prediction(id: &str, patch: &str) -> Prediction {
        Prediction {
            model_name_or_path: "engraft".to_owned(),
            instance_id: id.to_owned(),
            model_patch: patch.to_owned(),
        }
    }

    fn read(text: &str) -> Result<Vec<Prediction>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preds.json");
        std::fs::write(&path, text).unwrap();
        read_predictions(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn an_object_by_id_need_not_repeat_the_id_and_null_is_no_patch() {
        let text = r#"{"b-1": {"model_name_or_path": "engraft", "model_patch": null}}"#;
        assert_eq!(read(text).unwrap(), [prediction("b-1", "")]);
        let other =
            r#"{"b-1": {"model_name_or_path": "m", "instance_id": "c-1", "model_patch": ""}}"#;
        assert!(read(other).unwrap_err().contains("b-1"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let line = r#"{"model_name_or_path": "m", "instance_id": "a", "model_patch": ""}"#;
        let error = read(&format!("{line}\n{line}x\n")).unwrap_err();
        assert!(error.contains("preds.json: line 2"), "{error}");
        let error = read(&format!("[\n{line},\n{{}}]")).unwrap_err();
        assert!(error.contains("preds.json: line 3"), "{error}");
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn two_predictions_for_an_instance_are_not_written_over_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preds.json");
        let twice = [prediction("a", "1"), prediction("a", "2")];
        let error = write_predictions(&path, &twice, Format::ById).unwrap_err();
        assert!(error.to_string().contains("`a`"));
        assert!(!path.exists());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn all_three_forms_come_back(patches in prop::collection::btree_map("[a-z_]{1,8}", any::<String>(), 0..5)) {
            let predictions: Vec<Prediction> = patches.iter().map(|(id, patch)| prediction(id, patch)).collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("preds.json");
            for format in [Format::Lines, Format::List, Format::ById] {
                write_predictions(&path, &predictions, format).unwrap();
                prop_assert_eq!(&read_predictions(&path).unwrap(), &predictions);
            }
        }
    }
}
