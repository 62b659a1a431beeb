//! The attempts at one issue as a file keeps them, and which of them a new issue may learn from.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Demonstration, PatchAttempt, TestAttempt, patch_demonstrations, test_demonstrations};
use crate::retrieval::tokens::strip;

/// How ExpeRepair writes times.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// A line of a memory file: an issue with all attempts at it, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueRecord<A> {
    /// When the record was written, on the clock of whoever wrote it.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub time: DateTime,
    /// When the issue was reported, if that is known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_known_time",
        deserialize_with = "read_known_time"
    )]
    pub created: Option<DateTime>,
    /// The project. ExpeRepair has a folder for each instead; records read from one have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    pub issue_description: String,
    pub exps: Vec<A>,
}

/// An issue that is being worked on, and so must not be learned from.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    pub repository: &'a str,
    pub issue: &'a str,
    /// Leaves out issues from then on: what was not known yet when the issue was reported.
    pub before: Option<DateTime>,
}

impl Asking<'_> {
    /// Whether a record is of the same repository, of another issue, and of an earlier one.
    pub fn may_use<A>(&self, record: &IssueRecord<A>) -> bool {
        let happened = record.created.unwrap_or(record.time);
        record.repository == self.repository
            && strip(&record.issue_description) != strip(self.issue)
            && self.before.is_none_or(|before| happened < before)
    }
}

/// The demonstrations of scripts that an issue may use, in the order of the records.
pub fn test_memory(
    records: &[IssueRecord<TestAttempt>],
    asking: &Asking<'_>,
) -> Vec<Demonstration<TestAttempt>> {
    let records = records.iter().filter(|record| asking.may_use(record));
    let pairs = records.map(|record| test_demonstrations(&record.issue_description, &record.exps));
    pairs.flatten().collect()
}

/// The demonstrations of patches that an issue may use, in the order of the records. `compat` as in
/// [`patch_demonstrations`].
pub fn patch_memory(
    records: &[IssueRecord<PatchAttempt>],
    asking: &Asking<'_>,
    compat: bool,
) -> Vec<Demonstration<PatchAttempt>> {
    let records = records.iter().filter(|record| asking.may_use(record));
    let pairs =
        records.map(|record| patch_demonstrations(&record.issue_description, &record.exps, compat));
    pairs.flatten().collect()
}

fn write_time<S: Serializer>(time: &DateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime(TIME))
}

fn write_known_time<S: Serializer>(
    time: &Option<DateTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => write_time(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// A date and a time, or a point in time, which is taken at UTC.
fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let point = |_| -> Result<DateTime, jiff::Error> {
        let point: Timestamp = text.parse()?;
        Ok(TimeZone::UTC.to_datetime(point))
    };
    text.parse().or_else(point).map_err(|_| {
        D::Error::custom(format!(
            "`{text}` is not a time; write it as 2025-06-01 12:00:00"
        ))
    })
}

fn read_known_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime>, D::Error> {
    read_time(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn record(repository: &str, issue: &str, time: &str) -> IssueRecord<PatchAttempt> {
        let text = format!(
            r#"{{"time": "{time}", "repository": "{repository}", "issue_description": "{issue}",
                "exps": [{{"old_patch": "a", "old_result": false, "new_patch": "b", "new_result": true}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn used(records: &[IssueRecord<PatchAttempt>], before: Option<DateTime>) -> Vec<String> {
        let asking = Asking {
            repository: "django",
            issue: "  the issue\n",
            before,
        };
        let memory = patch_memory(records, &asking, false).into_iter();
        memory
            .map(|demonstration| demonstration.issue_description)
            .collect()
    }

    #[test]
    fn other_repositories_and_the_issue_itself_are_left_out() {
        let records = [
            record("django", "one", "2025-06-01 12:00:00"),
            record("sympy", "two", "2025-06-01 12:00:00"),
            record("django", "the issue", "2025-06-01 12:00:00"),
        ];
        assert_eq!(used(&records, None), ["one"]);
    }

    #[test]
    fn later_issues_are_left_out_by_when_they_were_reported() {
        let mut records = [
            record("django", "early", "2025-06-01 12:00:00"),
            record("django", "late", "2025-06-01T14:00:00Z"),
            record("django", "told late", "2025-06-02 12:00:00"),
        ];
        records[2].created = Some(datetime(2020, 1, 1, 0, 0, 0, 0));
        let before = Some(datetime(2025, 6, 1, 14, 0, 0, 0));
        assert_eq!(used(&records, before), ["early", "told late"]);
    }

    #[test]
    fn a_record_is_written_as_experepair_writes_it() {
        let written = serde_json::to_value(record("", "x", "2025-06-01 12:00:00")).unwrap();
        let keys: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["time", "issue_description", "exps"]);
        assert_eq!(written["time"], "2025-06-01 12:00:00");
    }

    #[test]
    fn a_time_that_is_none_is_told_of() {
        let text = r#"{"time": "yesterday", "issue_description": "", "exps": []}"#;
        let error = serde_json::from_str::<IssueRecord<PatchAttempt>>(text).unwrap_err();
        assert!(
            error.to_string().contains("`yesterday` is not a time"),
            "{error}"
        );
    }
}
