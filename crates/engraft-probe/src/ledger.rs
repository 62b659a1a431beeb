//! The ledger: what every step gained, kept and spilled, one JSON line a step, append only.

mod entry;
mod view;

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

pub use entry::{Artifact, Entry};
pub use view::{diff, learned, lineage, show};

/// What can be wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot {action} the ledger {path}: {source}")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },
    #[error("{path}, line {line}: {reason}; restore the line from a copy, or move the file away")]
    Line {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("no entry `{wanted}` in {path}; it has: {known}")]
    Unknown {
        wanted: String,
        path: PathBuf,
        known: String,
    },
}

/// A ledger file and what stands in it.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    pub entries: Vec<Entry>,
    /// A last line that a crash left unfinished; the next append replaces it.
    pub torn: bool,
}

impl Ledger {
    /// Reads a ledger; a file that is not there is an empty one.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(fail(path, "read")(source)),
        };
        let (entries, torn) = parse(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            entries,
            torn,
        })
    }

    /// Adds an entry: one write and a sync under a lock, so that writers side by side lose nothing
    /// and a crash leaves at most an unfinished last line. An entry that is there already is kept.
    pub fn append(&mut self, entry: Entry) -> Result<(), LedgerError> {
        let path = self.path.clone();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(fail(&path, "open"))?;
        file.lock().map_err(fail(&path, "lock"))?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(fail(&path, "read"))?;
        file.read_to_end(&mut text).map_err(fail(&path, "read"))?;
        let (entries, torn) = parse(&path, &text)?;
        if torn {
            let whole = text
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |at| at + 1);
            file.set_len(whole as u64).map_err(fail(&path, "mend"))?;
        }
        self.entries = entries;
        self.torn = false;
        if self.entries.iter().all(|known| known.id != entry.id) {
            write(&mut file, &entry).map_err(fail(&path, "append to"))?;
            self.entries.push(entry);
        }
        Ok(())
    }

    /// The newest entry of that step name, or the one whose id begins so. Names come first: an id
    /// may begin like a step called `a`.
    pub fn find(&self, wanted: &str) -> Result<&Entry, LedgerError> {
        let by_step = self.entries.iter().rev().find(|entry| entry.step == wanted);
        let by_id = || {
            let mut entries = self.entries.iter();
            entries.find(|entry| !wanted.is_empty() && entry.id.starts_with(wanted))
        };
        by_step.or_else(by_id).ok_or_else(|| {
            let names: Vec<&str> = self
                .entries
                .iter()
                .map(|entry| entry.step.as_str())
                .collect();
            LedgerError::Unknown {
                wanted: wanted.to_owned(),
                path: self.path.clone(),
                known: names.join(", "),
            }
        })
    }
}

fn write(file: &mut File, entry: &Entry) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

/// Entries, and whether the last line is unfinished (no line end: the write was cut short).
fn parse(path: &Path, text: &[u8]) -> Result<(Vec<Entry>, bool), LedgerError> {
    let mut entries = Vec::new();
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let torn = lines.pop().is_some_and(|rest| !rest.is_empty());
    for (index, line) in lines.into_iter().enumerate() {
        let entry = serde_json::from_slice(line).map_err(|error| LedgerError::Line {
            path: path.to_owned(),
            line: index + 1,
            reason: format!("not a ledger entry: {error}"),
        })?;
        entries.push(entry);
    }
    Ok((entries, torn))
}

fn fail(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io {
        path,
        action,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(step: &str) -> Entry {
        Entry {
            id: format!("id-{step}"),
            step: step.to_owned(),
            ..Entry::default()
        }
    }

    #[test]
    fn a_line_cut_short_by_a_crash_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.append(entry("a")).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"id":"id-b","st"#).unwrap();
        let mut found = Ledger::open(&path).unwrap();
        assert!(found.torn && found.entries.len() == 1);
        found.append(entry("c")).unwrap();
        let whole = Ledger::open(&path).unwrap();
        let steps: Vec<&str> = whole.entries.iter().map(|e| e.step.as_str()).collect();
        assert_eq!((steps, whole.torn), (vec!["a", "c"], false));
    }

    #[test]
    fn writers_side_by_side_lose_nothing_and_the_same_entry_stands_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    let mut ledger = Ledger::open(path).unwrap();
                    for step in 0..25 {
                        ledger.append(entry(&format!("{writer}-{step}"))).unwrap();
                        ledger.append(entry("shared")).unwrap();
                    }
                });
            }
        });
        assert_eq!(Ledger::open(&path).unwrap().entries.len(), 101);
    }

    #[test]
    fn a_step_is_found_by_its_name_before_any_id_that_begins_like_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
        for (id, step) in [("ab1", "first"), ("cd2", "a"), ("ef3", "a")] {
            ledger
                .append(Entry {
                    id: id.to_owned(),
                    ..entry(step)
                })
                .unwrap();
        }
        for (wanted, id) in [("a", "ef3"), ("ab", "ab1"), ("cd2", "cd2")] {
            assert_eq!(ledger.find(wanted).unwrap().id, id);
        }
        assert!(ledger.find("").is_err());
        let message = ledger.find("b").unwrap_err().to_string();
        assert!(message.contains("it has: first, a, a"), "{message}");
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::fs::write(&path, "{}\nnot json\n").unwrap();
        let message = Ledger::open(&path).unwrap_err().to_string();
        assert!(
            message.contains("line 2") && message.contains("ledger.jsonl"),
            "{message}"
        );
    }
}
