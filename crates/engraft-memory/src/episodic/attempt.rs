//! One attempt: what was there before and what came of it. Names in files are ExpeRepair's.

use serde::{Deserialize, Serialize};

/// What the judge said of a reproduction script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    #[serde(rename = "test-analysis")]
    pub analysis: String,
    /// `YES` or `NO`.
    #[serde(rename = "if-reproduce")]
    pub reproduces: String,
    #[serde(rename = "test-advice")]
    pub advice: String,
}

impl Verdict {
    pub fn confirms(&self) -> bool {
        self.reproduces == "YES"
    }

    pub fn denies(&self) -> bool {
        self.reproduces == "NO"
    }
}

/// An attempt to write a script that shows a bug. In the first one of an issue there is nothing old: texts
/// are empty, the code and the verdict are `None`, which files write as empty strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestAttempt {
    pub old_test: String,
    /// Standard output, a line break, standard error.
    pub old_exec_result: String,
    #[serde(with = "blank")]
    pub old_returncode: Option<i64>,
    #[serde(with = "blank")]
    pub old_check_repro: Option<Verdict>,
    pub new_test: String,
    pub new_exec_result: String,
    pub new_returncode: i64,
    pub new_check_repro: Verdict,
}

impl TestAttempt {
    /// Whether the new script shows the bug.
    pub fn succeeded(&self) -> bool {
        self.new_check_repro.confirms()
    }

    /// Whether there was no right script yet.
    pub fn began_wrong(&self) -> bool {
        self.old_test.is_empty() || self.old_check_repro.as_ref().is_some_and(Verdict::denies)
    }
}

/// An attempt to write a patch. In the first one of an issue the old patch is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchAttempt {
    pub old_patch: String,
    /// Whether the old patch was found to be right.
    pub old_result: bool,
    pub new_patch: String,
    pub new_result: bool,
}

/// What is not there, as files write it: an empty string.
mod blank {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<T> {
        There(T),
        Text(String),
    }

    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::There(value) => Ok(Some(value)),
            Written::Text(text) if text.is_empty() => Ok(None),
            Written::Text(text) => Err(D::Error::custom(format!(
                "`{text}` stands where a result or an empty string belongs"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"old_test":"","old_exec_result":"","old_returncode":"","old_check_repro":"","new_test":"t","new_exec_result":"r","new_returncode":1,"new_check_repro":{"test-analysis":"a","if-reproduce":"NO","test-advice":"b"}}"#;

    #[test]
    fn a_first_attempt_is_read_and_written_as_it_is() {
        let attempt: TestAttempt = serde_json::from_str(FIRST).unwrap();
        assert_eq!(attempt.old_returncode, None);
        assert!(attempt.began_wrong() && !attempt.succeeded());
        assert_eq!(serde_json::to_string(&attempt).unwrap(), FIRST);
    }

    #[test]
    fn a_text_in_place_of_a_result_is_refused() {
        let text = FIRST.replace(r#""old_returncode":"""#, r#""old_returncode":"one""#);
        let error = serde_json::from_str::<TestAttempt>(&text).unwrap_err();
        assert!(
            error.to_string().contains("`one` stands where a result"),
            "{error}"
        );
    }
}
