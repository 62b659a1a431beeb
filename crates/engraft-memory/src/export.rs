//! A memory as text that people read, compare and edit, and back again.
//!
//! Two forms: one line of JSON for each item, and a folder of Markdown lists. Both hold what is current;
//! the log stays in the store.

mod entry;
mod import;
mod jsonl;
mod lists;
mod markdown;

pub use entry::Entry;
pub use import::{Imported, Importer};

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Filter, Item, MemoryError, State, Store};

/// Writes the current items that a filter admits into a file, one line of JSON each, in the order in which
/// they were added.
///
/// # Errors
/// A file that cannot be written; the one before stays.
pub fn write_jsonl(store: &dyn Store, filter: &Filter, path: &Path) -> Result<(), MemoryError> {
    let lines = jsonl::write(&current(store, filter)?)?;
    engraft_files::write_file(path, lines.as_bytes()).map_err(unwritten)
}

/// Writes the current items that a filter admits into a folder: a Markdown file for each kind, scope and
/// role, in it a section for each item. Lists of which nothing is current any more are deleted; every
/// other file of the folder stays.
///
/// # Errors
/// A file that cannot be written; each file is either the new or the old one.
pub fn write_markdown(
    store: &dyn Store,
    filter: &Filter,
    folder: &Path,
) -> Result<(), MemoryError> {
    let mut lists: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in current(store, filter)? {
        let list = lists.entry(lists::file_name(&item.content)).or_default();
        list.push(item);
    }
    let help = "check the folder's permissions";
    fs::create_dir_all(folder).map_err(problem(folder, "cannot be made", help))?;
    for (name, items) in &lists {
        let text = markdown::write(items);
        engraft_files::write_file(&folder.join(name), text.as_bytes()).map_err(unwritten)?;
    }
    for path in markdown_files(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !lists.contains_key(name.as_ref()) && outlived(store, &path)? {
            fs::remove_file(&path).map_err(problem(&path, "cannot be deleted", help))?;
        }
    }
    Ok(())
}

/// The items of a file that [`write_jsonl`] wrote or a person did.
///
/// # Errors
/// The file and the line that cannot be read.
pub fn read_jsonl(path: &Path) -> Result<Vec<Entry>, MemoryError> {
    jsonl::read(path, &text(path)?)
}

/// The items of a folder that [`write_markdown`] wrote or a person did, by the names of its files.
///
/// # Errors
/// The file and the line that cannot be read, or a folder without a list.
pub fn read_markdown(folder: &Path) -> Result<Vec<Entry>, MemoryError> {
    let files = markdown_files(folder)?;
    if files.is_empty() {
        return Err(MemoryError::File {
            path: folder.to_owned(),
            problem: "holds no Markdown file; name the folder that a memory was written into"
                .to_owned(),
        });
    }
    let mut entries = Vec::new();
    for path in files {
        entries.extend(markdown::read(&path, &text(&path)?)?);
    }
    Ok(entries)
}

fn current(store: &dyn Store, filter: &Filter) -> Result<Vec<Item>, MemoryError> {
    store.items(&Filter {
        all_states: false,
        ..filter.clone()
    })
}

/// Whether a list names only items that the store knows and that are no longer current. What a person
/// wrote and nobody read yet is none.
fn outlived(store: &dyn Store, path: &Path) -> Result<bool, MemoryError> {
    let Ok(entries) = text(path).and_then(|text| markdown::read(path, &text)) else {
        return Ok(false);
    };
    for entry in &entries {
        let known = match &entry.id {
            Some(id) => store.get(id)?,
            None => None,
        };
        if known.is_none_or(|item| item.state == State::Current) {
            return Ok(false);
        }
    }
    Ok(!entries.is_empty())
}

/// The Markdown files of a folder, by name.
fn markdown_files(folder: &Path) -> Result<Vec<PathBuf>, MemoryError> {
    let failed = |error| problem(folder, "cannot be read", "name a folder that is there")(error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn text(path: &Path) -> Result<String, MemoryError> {
    let help = "name a file of UTF-8 text that is there";
    let text = fs::read_to_string(path).map_err(problem(path, "cannot be read", help))?;
    // Some editors put a mark at the start.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn problem(path: &Path, what: &str, help: &str) -> impl FnOnce(std::io::Error) -> MemoryError {
    move |error| MemoryError::File {
        path: path.to_owned(),
        problem: format!("{what} ({error}); {help}"),
    }
}

fn unwritten(error: engraft_files::WriteError) -> MemoryError {
    MemoryError::Refused(error.to_string())
}
