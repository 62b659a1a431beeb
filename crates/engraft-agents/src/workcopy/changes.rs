//! What changed since the base, as a patch.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    LARGEST, WorkCopyError,
    git::{self, Git},
    inside,
};

/// The difference between a work copy and its base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Unified, with `a/` and `b/`, for `git apply`; empty if nothing changed. Renames are a removal
    /// and an addition.
    pub patch: String,
    /// Changed paths that the patch leaves out: links, files that are binary or not UTF-8, files above
    /// [`LARGEST`] bytes, and new repositories. A repair does not need them; a program that ran may
    /// have made them.
    pub left_out: Vec<PathBuf>,
}

/// Compares with a tree; the index, which holds that tree, is written to.
pub(super) fn since(git: &Git, base: &str) -> Result<Changes, WorkCopyError> {
    let mut left_out = stage(git)?;
    let compare = ["diff-index", "--cached", "--no-renames", "--no-color"];
    let with = |options: &[&str]| git.run(&[&compare[..], options, &[base]].concat());
    let entries = entries(&with(&["--raw", "--abbrev=40", "-z"])?)?;
    let binary = binary(&with(&["--numstat", "-z"])?);
    let patch = with(&["--patch", "--no-ext-diff", "--no-textconv", "--full-index"])?;
    let mut chunks = chunks(&patch).into_iter();
    let mut kept = Vec::new();
    for entry in entries {
        // What became of another kind has a removal and an addition.
        let own: Vec<&[u8]> = chunks.by_ref().take(entry.chunks).collect();
        if own.len() < entry.chunks {
            return Err(unreadable());
        }
        match String::from_utf8(own.concat()) {
            Ok(text) if entry.is_of_files && !binary.contains(&entry.path) => kept.push(text),
            _ => left_out.push(entry.path),
        }
    }
    left_out.sort();
    left_out.dedup();
    Ok(Changes {
        patch: kept.concat(),
        left_out,
    })
}

/// Puts what is there now into the index, and says what is too large or too odd for that.
fn stage(git: &Git) -> Result<Vec<PathBuf>, WorkCopyError> {
    let list = ["ls-files", "-z", "-m", "-d", "-o", "--exclude-standard"];
    let mut changed = git::paths(&git.run(&list)?);
    changed.sort();
    changed.dedup();
    let (mut add, mut remove, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for path in changed {
        match fs::symlink_metadata(git.files().join(&path)) {
            _ if !inside::is_direct(git.files(), &path) => remove.push(path),
            Ok(metadata) if metadata.is_file() && metadata.len() > LARGEST => left_out.push(path),
            Ok(metadata) if metadata.is_file() || metadata.is_symlink() => add.push(path),
            Ok(metadata) if metadata.is_dir() && is_repository(git, &path) => {
                remove.push(path.clone());
                left_out.push(path);
            }
            Ok(_) | Err(_) => remove.push(path),
        }
    }
    let update = |option, paths: &[PathBuf]| {
        git.feed(
            &["update-index", "-z", "--replace", option, "--stdin"],
            &git::list(paths),
        )
    };
    update("--force-remove", &remove)?;
    update("--add", &add)?;
    Ok(left_out)
}

fn is_repository(git: &Git, path: &Path) -> bool {
    fs::symlink_metadata(git.files().join(path).join(".git")).is_ok()
}

struct Entry {
    path: PathBuf,
    /// A file or nothing before, and a file or nothing after: no link.
    is_of_files: bool,
    /// How many pieces of the patch tell of it.
    chunks: usize,
}

/// `:mode mode id id letter`, zero, path, zero; and so on.
fn entries(raw: &[u8]) -> Result<Vec<Entry>, WorkCopyError> {
    let fields: Vec<&[u8]> = raw
        .split(|byte| *byte == 0)
        .filter(|field| !field.is_empty())
        .collect();
    let entry = |pair: &[&[u8]]| {
        let [head, path] = pair else {
            return Err(unreadable());
        };
        let head = String::from_utf8_lossy(head);
        let parts: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let [before, after, _, _, letter] = parts[..] else {
            return Err(unreadable());
        };
        let is_file = |mode: &str| mode == "000000" || mode.starts_with("100");
        Ok(Entry {
            path: git::paths(path).into_iter().collect(),
            is_of_files: is_file(before) && is_file(after),
            chunks: if letter == "T" { 2 } else { 1 },
        })
    };
    fields.chunks(2).map(entry).collect()
}

/// The paths whose lines cannot be counted.
fn binary(numbers: &[u8]) -> Vec<PathBuf> {
    let lines = numbers.split(|byte| *byte == 0);
    lines
        .filter_map(|line| line.strip_prefix(b"-\t-\t"))
        .flat_map(git::paths)
        .collect()
}

/// Cuts a patch before each file's header: lines of content never begin with a letter.
fn chunks(patch: &[u8]) -> Vec<&[u8]> {
    const HEADER: &[u8] = b"diff --git ";
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(HEADER) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([patch.len()]);
    let chunks = starts.iter().zip(ends);
    chunks.map(|(start, end)| &patch[*start..end]).collect()
}

fn unreadable() -> WorkCopyError {
    WorkCopyError("git's list of changes cannot be read; update git".to_owned())
}
