//! Which files of the user's folder a work copy takes.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    WorkCopyError,
    git::{self, Git},
};

/// What running a program leaves behind.
const COMPILED: &str = "__pycache__/\n*.py[co]\n";

/// All paths that count, relative to the folder; some may be missing or lie behind links. `data` is an
/// empty repository of ours, for folders without git.
pub(super) fn files(folder: &Path, data: &Path) -> Result<Vec<PathBuf>, WorkCopyError> {
    const LIST: [&str; 4] = ["ls-files", "-z", "--others", "--exclude-standard"];
    let listed = if has_git(folder)? {
        git::ask(folder, &[&LIST[..], &["--cached"]].concat())?
    } else {
        Git::new(data, folder, data.join("no-index")).run(&LIST)?
    };
    let mut files = Vec::new();
    for path in git::paths(&listed) {
        let full = folder.join(&path);
        if !fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_dir()) {
            files.push(path);
        } else if fs::symlink_metadata(full.join(".git")).is_ok() {
            // A submodule or another repository inside this one.
            let nested = self::files(&full, data)?;
            files.extend(nested.iter().map(|file| path.join(file)));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether git looks after this folder. One that a repository further up ignores is on its own.
fn has_git(folder: &Path) -> Result<bool, WorkCopyError> {
    let inside = git::ask(folder, &["rev-parse", "--is-inside-work-tree"]);
    if fs::symlink_metadata(folder.join(".git")).is_ok() {
        // A repository that git refuses (a broken one, or another user's) is not taken for a plain
        // folder: its ignored files would be copied too.
        return inside.map(|answer| answer.starts_with(b"true"));
    }
    Ok(inside.is_ok_and(|answer| answer.starts_with(b"true"))
        && git::ask(folder, &["check-ignore", "--quiet", "."]).is_err())
}

/// The commit a folder's repository is at.
pub(super) fn head(folder: &Path) -> Option<String> {
    let answer = git::ask(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]).ok()?;
    Some(String::from_utf8_lossy(&answer).trim().to_owned())
}

/// Patterns of ignored files that stand in no `.gitignore`: the repository's and the user's own.
pub(super) fn ignored(folder: &Path) -> Result<String, WorkCopyError> {
    let mut patterns = COMPILED.to_owned();
    let own = git::ask(folder, &["rev-parse", "--git-path", "info/exclude"]);
    let users = git::ask(
        folder,
        &["config", "--type=path", "--get", "core.excludesFile"],
    );
    for answer in [own, users].into_iter().flatten() {
        let path = Path::new(std::ffi::OsStr::from_bytes(answer.trim_ascii_end()));
        if let Ok(more) = fs::read_to_string(folder.join(path)) {
            patterns.push_str(&more);
            patterns.push('\n');
        }
    }
    Ok(patterns)
}
