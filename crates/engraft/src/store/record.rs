//! The note beside pulled files that says where they came from.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Contents, Entry},
    fetch,
    partial::Partial,
    size,
};

/// Name of the note.
const FILE: &str = "source.json";

/// What came, from where, under which licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    pub about: String,
    pub licence: String,
    /// Who published it, or the files that the user gave.
    pub from: String,
    /// Version, revision or commit; none where the user gave the files.
    pub version: Option<String>,
    pub files: Vec<RecordedFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Below the folder of the note.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Record {
    /// About an entry whose files stand in `folder`.
    pub(super) fn about(
        entry: &Entry,
        folder: &Path,
        from: String,
        version: Option<&str>,
    ) -> anyhow::Result<Self> {
        let files = match entry.contents {
            Contents::Published { files, .. } => {
                let known = files.iter().map(|item| RecordedFile {
                    path: item.path.to_owned(),
                    bytes: item.bytes,
                    sha256: item.sha256.to_owned(),
                });
                known.collect()
            }
            Contents::Own { path, .. } => {
                let file = folder.join(path);
                let sha256 = fetch::sha256_of(&file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                vec![RecordedFile {
                    path: path.to_owned(),
                    bytes: size(&file).unwrap_or_default(),
                    sha256,
                }]
            }
        };
        Ok(Self {
            name: entry.name.to_owned(),
            about: entry.about.to_owned(),
            licence: entry.licence.to_owned(),
            from,
            version: version.map(str::to_owned),
            files,
        })
    }

    /// The note in a folder, if there is one.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let record = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is no note of `engraft pull`; remove its folder and pull it again",
                path.display()
            )
        });
        record.map(Some)
    }

    /// Puts the note beside the files that a pull has gathered.
    pub(super) fn write(&self, partial: &Partial, staged: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        partial.put(FILE, text.as_bytes(), staged)
    }
}

/// Refuses to replace a folder that holds more than an entry's files: somebody put it there.
pub(super) fn refuse_foreign(entry: &Entry, folder: &Path) -> anyhow::Result<()> {
    if !folder.is_dir() {
        anyhow::ensure!(
            folder.symlink_metadata().is_err(),
            "{} is in the way; move it away",
            folder.display()
        );
        return Ok(());
    }
    let mut ours: Vec<PathBuf> = entry.paths().iter().map(PathBuf::from).collect();
    ours.push(PathBuf::from(FILE));
    // An earlier version of the entry may have had other files.
    if let Some(record) = Record::read(folder)? {
        ours.extend(record.files.iter().map(|file| PathBuf::from(&file.path)));
    }
    let mut found = Vec::new();
    collect(folder, Path::new(""), &mut found)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    match found.iter().find(|path| !ours.contains(path)) {
        None => Ok(()),
        Some(other) => anyhow::bail!(
            "{} holds other things (`{}`); move them away, then pull again",
            folder.display(),
            other.display()
        ),
    }
}

/// Every file in a folder, by its path below it. Links are listed, not followed.
fn collect(folder: &Path, below: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
