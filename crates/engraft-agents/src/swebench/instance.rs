//! Issues to be resolved.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, de::Error};

use super::SweBenchError;

/// An issue with the state of the repository it is about. The solution, its tests and the hints that the
/// files hold beside it have no place here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Instance {
    pub instance_id: String,
    /// `owner/name`.
    pub repo: String,
    pub base_commit: String,
    pub problem_statement: String,
    /// When the issue's solution was proposed: memories that are younger are not for it.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    #[serde(default)]
    pub version: Option<String>,
    /// The container image to use instead of the benchmark's own.
    #[serde(default, alias = "docker_image")]
    pub image_name: Option<String>,
    /// The folder with the repository as the issue found it, from the folder of the file. Ours: the
    /// benchmark has no such key.
    #[serde(default)]
    pub checkout: Option<PathBuf>,
}

impl Instance {
    /// The container image with the repository at its commit: the one it names, or the benchmark's.
    pub fn image(&self) -> String {
        image(&self.instance_id, self.image_name.as_deref())
    }
}

/// The image of an instance. Docker allows no two underscores in a row in a name, so the benchmark puts
/// `_1776_` in their place.
pub(super) fn image(instance_id: &str, named: Option<&str>) -> String {
    match named {
        Some(image) => image.to_owned(),
        None => {
            let id = instance_id.replace("__", "_1776_").to_lowercase();
            format!("swebench/sweb.eval.x86_64.{id}:latest")
        }
    }
}

/// A time with its zone, or one of UTC.
fn time<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(written) = Option::<String>::deserialize(input)? else {
        return Ok(None);
    };
    let zoned = written.parse::<Timestamp>().ok();
    let civil = || {
        let civil = written.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    };
    zoned.or_else(civil).map(Some).ok_or_else(|| {
        let problem = format!("created_at is {written:?}; write a time like 2024-05-01T12:00:00Z");
        D::Error::custom(problem)
    })
}

/// Reads a JSONL file of SWE-bench, an instance a line; blank lines are skipped.
///
/// # Errors
/// If the file cannot be read, or a line is no instance.
pub fn read_instances(path: &Path) -> Result<Vec<Instance>, SweBenchError> {
    let failed = |source| SweBenchError::Read {
        path: path.to_owned(),
        source,
    };
    let mut instances = Vec::new();
    for (index, line) in BufReader::new(File::open(path).map_err(failed)?)
        .split(b'\n')
        .enumerate()
    {
        let line = line.map_err(failed)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let instance = serde_json::from_slice(&line).map_err(|error| SweBenchError::Line {
            path: path.to_owned(),
            line: index + 1,
            problem: format!("not an instance of SWE-bench: {}", without_place(&error)),
        })?;
        instances.push(instance);
    }
    Ok(instances)
}

/// The message of a JSON error with the column; its line is always 1 here.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    format!("{message} (column {})", error.column())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Instance, read_instances};

    const LINE: &str = r#"{"instance_id": "a__b-1", "repo": "a/b", "base_commit": "c0", "problem_statement": "It breaks.", "created_at": "2022-03-03T15:14:54Z", "version": "1.0", "patch": "SOLUTION", "test_patch": "SOLUTION", "hints_text": "SOLUTION", "FAIL_TO_PASS": "[\"SOLUTION\"]", "PASS_TO_PASS": []}"#;

    fn read(text: &str) -> Result<Vec<Instance>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read_instances(file.path()).map_err(|error| {
            let path = file.path().display().to_string();
            assert!(error.to_string().starts_with(&path), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn an_instance_has_no_trace_of_its_solution() {
        let instances = read(&format!("{LINE}\n\n{LINE}")).unwrap();
        assert_eq!(instances.len(), 2);
        assert_eq!(instances[0].problem_statement, "It breaks.");
        assert!(!format!("{instances:?}").contains("SOLUTION"));
        let created = instances[0].created_at.unwrap();
        assert_eq!(created.to_string(), "2022-03-03T15:14:54Z");
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        let error = read(&format!("{LINE}\n{{\"repo\": 1}}\n")).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        let error = read(&LINE.replace("\"repo\"", "\"repository\"")).unwrap_err();
        assert!(
            error.contains("line 1") && error.contains("`repo`"),
            "{error}"
        );
        let error = read(&LINE.replace("2022-03", "March")).unwrap_err();
        assert!(error.contains("created_at"), "{error}");
        assert!(read(&LINE[..LINE.len() - 9]).is_err());
    }

    #[test]
    fn a_time_without_a_zone_is_universal() {
        let instances = read(&LINE.replace("T15:14:54Z", " 15:14:54")).unwrap();
        let created = instances[0].created_at.unwrap();
        assert_eq!(created.to_string(), "2022-03-03T15:14:54Z");
    }
}
