//! Models and data sets under short names.
//!
//! They stand in one folder a user (`ENGRAFT_HOME`, else `$XDG_DATA_HOME/engraft`, else
//! `~/.local/share/engraft`): `models/NAME/` and `data/NAME/`, each whole or not there, with a note in
//! `source.json` of where the files came from. Files on their way stand in `.partial/NAME/`.

pub mod catalogue;
mod fetch;
mod partial;
mod record;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use catalogue::{Contents, Entry, Kind};
use fetch::Ways;
use partial::Partial;
pub use record::{Record, RecordedFile};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No name of ours.
    Unknown,
    /// One of ours that is not here; `pull` ends the sentence that says so (``run `engraft pull
    /// smollm2-135m` ``).
    Missing { pull: String },
    /// The file where the name stands for one, the folder where it stands for several.
    Here(PathBuf),
}

/// Looks a short name up: a model (`smollm2-135m`), a data set of one file (`known-facts`) or a file of
/// a data set (`wikitext-2/test`). Reads the sizes of files and nothing else; uses no network.
pub fn find(name: &str) -> Found {
    let Some((entry, _)) = named(name) else {
        return Found::Unknown;
    };
    match Store::of_user() {
        Ok(store) => store.find(name),
        Err(_) => Found::Missing {
            pull: format!("set ENGRAFT_HOME to a folder and run `{}`", entry.command()),
        },
    }
}

/// What a recipe's path or name stands for: a file or folder below `directory`, or else what was pulled
/// under that name. A path that leads nowhere is returned as it is, for its reader to complain of.
///
/// # Errors
/// The way to get it, where it is one of ours and not here.
pub fn place(directory: &Path, written: &Path) -> Result<PathBuf, String> {
    let path = directory.join(written);
    if path.exists() {
        return Ok(path);
    }
    match find(&written.to_string_lossy()) {
        Found::Here(path) => Ok(path),
        Found::Unknown => Ok(path),
        Found::Missing { pull } => Err(format!("`{}` is not here yet; {pull}", written.display())),
    }
}

/// The file that a name stands for, below the folder of its entry; nothing where it stands for several
/// or is none of ours.
pub fn file(name: &str) -> Option<&'static str> {
    named(name).and_then(|(_, path)| path)
}

/// The entry of a name, also where the name means one file of it (`wikitext-2/test`).
pub fn entry(name: &str) -> Option<&'static Entry> {
    named(name).map(|(entry, _)| entry)
}

/// The entry of a name and, where the name means one of its files, that file.
fn named(name: &str) -> Option<(&'static Entry, Option<&'static str>)> {
    if let Some(entry) = catalogue::entry(name) {
        return match entry.paths()[..] {
            [path] => Some((entry, Some(path))),
            _ => Some((entry, None)),
        };
    }
    catalogue::ENTRIES.iter().find_map(|entry| {
        let mut parts = entry.parts().into_iter();
        let (_, path) = parts.find(|(part, _)| part == name)?;
        Some((entry, Some(path)))
    })
}

/// A folder of pulled things, and the ways by which more come into it.
pub struct Store {
    root: PathBuf,
    ways: Ways,
}

/// What [`Store::pull`] had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    Fetched,
    WasHere,
}

/// Something that stands in the store.
pub struct Kept {
    pub folder: PathBuf,
    pub record: Record,
}

impl Kept {
    /// The first file that is gone or of another size than it was.
    pub fn damaged(&self) -> Option<&RecordedFile> {
        let whole = |file: &RecordedFile| size(&self.folder.join(&file.path)) == Some(file.bytes);
        self.record.files.iter().find(|file| !whole(file))
    }
}

impl Store {
    /// The store of whoever runs the program.
    pub fn of_user() -> anyhow::Result<Self> {
        let root = root().context(
            "there is no folder to keep models and data in: HOME is not set; set ENGRAFT_HOME to one",
        )?;
        Ok(Self {
            // What is said and written down has to hold in every folder.
            root: std::path::absolute(&root).unwrap_or(root),
            ways: Ways::of_user(),
        })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// As [`find`], here.
    pub fn find(&self, name: &str) -> Found {
        let Some((entry, part)) = named(name) else {
            return Found::Unknown;
        };
        if !self.has(entry) {
            return Found::Missing {
                pull: format!("run `{}`", entry.command()),
            };
        }
        let folder = self.folder(entry);
        Found::Here(part.map_or_else(|| folder.clone(), |path| folder.join(path)))
    }

    /// The folder of an entry, whether it is there or not.
    pub fn folder(&self, entry: &Entry) -> PathBuf {
        self.root.join(entry.kind.folder()).join(entry.name)
    }

    /// Whether every file of an entry is there and measures what it should.
    pub fn has(&self, entry: &Entry) -> bool {
        let folder = self.folder(entry);
        entry.paths().iter().all(|path| {
            size(&folder.join(path))
                .is_some_and(|bytes| entry.bytes_of(path).is_none_or(|wanted| bytes == wanted))
        })
    }

    /// Everything that stands here, as the notes beside the files say.
    pub fn kept(&self) -> anyhow::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for kind in [Kind::Model, Kind::Data] {
            let all = self.root.join(kind.folder());
            if !all.is_dir() {
                continue;
            }
            let folders = fs::read_dir(&all)
                .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
                .with_context(|| format!("cannot read the folder {}", all.display()));
            let mut folders: Vec<PathBuf> = folders?;
            folders.sort();
            for folder in folders {
                if let Some(record) = Record::read(&folder)? {
                    kept.push(Kept { folder, record });
                }
            }
        }
        Ok(kept)
    }

    /// Brings an entry here: from the files in `given`, or from whoever publishes it. What is here
    /// already is checked and left alone, unless `force` asks for it anew.
    pub fn pull(&self, entry: &Entry, given: &[PathBuf], force: bool) -> anyhow::Result<Pulled> {
        let folder = self.folder(entry);
        if self.has(entry) && !force {
            check(entry, &folder)?;
            return Ok(Pulled::WasHere);
        }
        record::refuse_foreign(entry, &folder)?;
        let partial = Partial::enter(&self.root, entry.name)?;
        let (staged, record) = fetch::bring(entry, given, &self.ways, &partial)?;
        record.write(&partial, &staged)?;
        partial.publish(&staged, &folder)?;
        partial.leave()?;
        Ok(Pulled::Fetched)
    }
}

/// Refuses files that are no longer what was published.
fn check(entry: &Entry, folder: &Path) -> anyhow::Result<()> {
    let Contents::Published { files, .. } = entry.contents else {
        return Ok(());
    };
    for item in files {
        let path = folder.join(item.path);
        let got =
            fetch::sha256_of(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::ensure!(
            got == item.sha256,
            "{} is not what was published: its sha256 is {got}, wanted {}; fetch it again \
             with `{} --force`",
            path.display(),
            item.sha256,
            entry.command()
        );
    }
    Ok(())
}

/// The size of a file; `None` where there is none.
fn size(path: &Path) -> Option<u64> {
    let about = fs::metadata(path).ok()?;
    about.is_file().then_some(about.len())
}

fn root() -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    // The XDG rules say that a relative path there counts as none.
    let data_home = || set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    set("ENGRAFT_HOME")
        .or_else(|| Some(data_home()?.join("engraft")))
        .or_else(|| Some(set("HOME")?.join(".local/share/engraft")))
}

#[cfg(test)]
mod tests;
