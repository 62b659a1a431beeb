//! The folder of a run: what each stage of each issue wrote, so that a run can be read and continued.
//!
//! `results/<stage>/<repository>/<issue>/` holds a stage of an issue. Its last file is `stage.json`: with it
//! the stage is finished and is not done again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use engraft_files::atomic::{WriteError, write_file};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    chat::{Answer, Message},
    compose::Omission,
    task::Task,
};

/// The folders of one issue.
#[derive(Debug)]
pub struct Record {
    results: PathBuf,
    repository: String,
    issue: String,
    /// Conversations so far.
    count: AtomicUsize,
}

/// Something of a run could not be written or read again.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("cannot make the folder {}: {source}; check its permissions and the free space", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("another run works in {}; wait for it or choose another folder", folder.display())]
    Busy { folder: PathBuf },
    #[error("cannot lock {}: {source}; choose another folder for the run", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "{}: {setting} was {before} when the run began and is {now} now; give the old value or choose another folder",
        path.display()
    )]
    OtherRun {
        /// Of the file that knows the run.
        path: PathBuf,
        setting: String,
        before: String,
        now: String,
    },
    #[error("{}: {problem}; remove the file, and it is made again", path.display())]
    Read { path: PathBuf, problem: String },
}

/// The file that ends a stage.
const LAST: &str = "stage.json";

impl Record {
    /// Of an issue in the folder of a run.
    pub fn of(run: &Path, task: &Task) -> Self {
        Self {
            results: run.join("results"),
            repository: as_name(&task.repository),
            issue: as_name(&task.id),
            count: AtomicUsize::new(0),
        }
    }

    /// The folder of a stage.
    pub fn folder(&self, stage: &str) -> PathBuf {
        self.results
            .join(stage)
            .join(&self.repository)
            .join(&self.issue)
    }

    /// Writes a file of a stage.
    pub fn write(&self, stage: &str, name: &str, content: &str) -> Result<(), RecordError> {
        let folder = self.folder(stage);
        let made = fs::create_dir_all(&folder);
        made.map_err(|source| RecordError::Folder {
            path: folder.clone(),
            source,
        })?;
        Ok(write_file(&folder.join(name), content.as_bytes())?)
    }

    /// Writes rows as JSON lines.
    pub fn rows<T: Serialize>(
        &self,
        stage: &str,
        name: &str,
        rows: &[T],
    ) -> Result<(), RecordError> {
        self.write(stage, name, &as_lines(rows))
    }

    /// Ends a stage with what the next one needs of it.
    pub fn finish<T: Serialize>(&self, stage: &str, made: &T) -> Result<(), RecordError> {
        self.write(stage, LAST, &pretty(made))
    }

    /// What a finished stage left, or `None` if it is not finished.
    pub fn finished<T: DeserializeOwned>(&self, stage: &str) -> Result<Option<T>, RecordError> {
        let path = self.folder(stage).join(LAST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let problem = error.to_string();
                return Err(RecordError::Read { path, problem });
            }
        };
        match serde_json::from_str(&text) {
            Ok(made) => Ok(Some(made)),
            Err(error) => {
                let problem = error.to_string();
                Err(RecordError::Read { path, problem })
            }
        }
    }

    /// One conversation, as `conv_<prompt>_<n>.json`.
    pub fn conversation(
        &self,
        stage: &str,
        prompt: &str,
        messages: &[Message],
        omitted: &[Omission],
        answer: &Answer,
    ) -> Result<(), RecordError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let conversation = json!({
            "messages": messages,
            "answer": answer.text,
            "left_out": omitted,
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
        });
        let name = format!("conv_{number:03}_{prompt}.json");
        self.write(stage, &name, &pretty(&conversation))
    }
}

/// One JSON object a line.
pub fn as_lines<T: Serialize>(rows: &[T]) -> String {
    let line = |row: &T| serde_json::to_string(row).unwrap_or_default() + "\n";
    rows.iter().map(line).collect()
}

fn pretty<T: Serialize>(made: &T) -> String {
    serde_json::to_string_pretty(made).unwrap_or_default() + "\n"
}

/// A text as the name of a folder: `owner/name` as `owner__name`. What is no letter, digit or one of `._-`
/// becomes `_`, and a name never begins with a dot.
pub fn as_name(text: &str) -> String {
    let mut name = String::new();
    for character in text.replace('/', "__").chars().take(120) {
        let plain = character.is_ascii_alphanumeric() || "._-".contains(character);
        name.push(if plain { character } else { '_' });
    }
    match name.starts_with('.') || name.is_empty() {
        true => format!("_{name}"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(run: &Path, id: &str) -> Record {
        let task = Task {
            id: id.to_owned(),
            repository: "owner/name".to_owned(),
            issue: String::new(),
            created: None,
        };
        Record::of(run, &task)
    }

    #[test]
    fn a_stage_is_finished_once_its_last_file_is_there() {
        let run = tempfile::tempdir().unwrap();
        let record = record(run.path(), "a-1");
        assert_eq!(record.finished::<Vec<u32>>("reproduce").unwrap(), None);
        record.write("reproduce", "reproducer_0.py", "x").unwrap();
        assert_eq!(record.finished::<Vec<u32>>("reproduce").unwrap(), None);
        record.finish("reproduce", &vec![1, 2]).unwrap();
        assert_eq!(record.finished("reproduce").unwrap(), Some(vec![1, 2]));
        let folder = run.path().join("results/reproduce/owner__name/a-1");
        assert!(folder.join("reproducer_0.py").exists());
    }

    #[test]
    fn a_damaged_stage_is_named() {
        let run = tempfile::tempdir().unwrap();
        let record = record(run.path(), "a-1");
        record.write("reproduce", LAST, "{").unwrap();
        let error = record.finished::<Vec<u32>>("reproduce").unwrap_err();
        assert!(error.to_string().contains("stage.json"), "{error}");
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let run = tempfile::tempdir().unwrap();
        for id in ["../../x", "/etc/x", "..", "a\nb", ""] {
            let folder = record(run.path(), id).folder("reproduce");
            assert_eq!(folder.components().count(), {
                run.path().components().count() + 4
            });
            assert!(!folder.to_string_lossy().contains('\n'));
            assert!(!folder.ends_with(".."));
        }
    }
}
