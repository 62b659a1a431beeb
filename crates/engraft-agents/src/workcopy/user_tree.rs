//! Bringing a patch into the user's own files, wholly or not at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    WorkCopyError, failed,
    git::{self, Git},
    inside, temporary,
};

/// Applies a patch to the files of a folder, with or without git. The index, history and settings of
/// its repository are not touched, and bytes are taken as they are.
///
/// # Errors
/// If the patch does not apply, leaves the folder, renames files or makes links; then nothing was
/// changed. If writing fails half-way, what was written is put back.
pub fn apply_to_user_tree(folder: &Path, patch: &str) -> Result<(), WorkCopyError> {
    let folder = folder.canonicalize().map_err(failed(folder))?;
    let data = temporary()?;
    git::init(data.path(), "")?;
    let git = Git::new(data.path(), &folder, data.path().join("index"));
    let patch = patch.as_bytes();
    let refused = |error: WorkCopyError| {
        WorkCopyError(format!(
            "{}: the patch does not apply and nothing was changed ({error}); has the folder changed \
             since the repair began?",
            folder.display()
        ))
    };
    for line in patch.split(|byte| *byte == b'\n') {
        let odd: [&[u8]; 4] = [
            b"rename from ",
            b"copy from ",
            b"new file mode 12",
            b"new mode 12",
        ];
        if odd.iter().any(|start| line.starts_with(start)) {
            let line = String::from_utf8_lossy(line).into_owned();
            return Err(refused(WorkCopyError(format!("it says {line:?}"))));
        }
    }
    git.feed(&["apply", "--check", "-"], patch)
        .map_err(refused)?;
    let numbers = git
        .feed(&["apply", "--numstat", "-z", "-"], patch)
        .map_err(refused)?;
    let before = Before::of(&folder, &touched(&numbers)).map_err(refused)?;
    git.feed(&["apply", "-"], patch)
        .map_err(|error| match before.put_back() {
            Ok(()) => refused(error),
            Err(worse) => WorkCopyError(format!(
                "{error}; and putting back what was there failed: {worse}"
            )),
        })?;
    Ok(())
}

/// Two counts and a path to each zero byte.
fn touched(numbers: &[u8]) -> Vec<PathBuf> {
    let lines = numbers.split(|byte| *byte == 0);
    let path = |line: &[u8]| line.splitn(3, |byte| *byte == b'\t').nth(2).map(git::paths);
    lines.filter_map(path).flatten().collect()
}

/// A file's bytes and rights.
struct Content {
    bytes: Vec<u8>,
    permissions: fs::Permissions,
}

/// What a patch will overwrite.
struct Before {
    /// None for a file that is not there yet.
    files: Vec<(PathBuf, Option<Content>)>,
    /// Folders that are not there yet, innermost first.
    folders: Vec<PathBuf>,
}

impl Before {
    fn of(folder: &Path, paths: &[PathBuf]) -> Result<Self, WorkCopyError> {
        let mut before = Self {
            files: Vec::new(),
            folders: Vec::new(),
        };
        for path in paths {
            let full = folder.join(path);
            let content = if inside::is_file(folder, path) {
                let metadata = fs::metadata(&full).map_err(failed(&full))?;
                Some(Content {
                    bytes: fs::read(&full).map_err(failed(&full))?,
                    permissions: metadata.permissions(),
                })
            } else if fs::symlink_metadata(&full).is_ok() {
                let path = path.display();
                return Err(WorkCopyError(format!("{path} is no file")));
            } else {
                None
            };
            before.files.push((full.clone(), content));
            let missing = full.ancestors().skip(1).take_while(|above| !above.exists());
            before.folders.extend(missing.map(Path::to_owned));
        }
        Ok(before)
    }

    fn put_back(&self) -> Result<(), WorkCopyError> {
        for (path, content) in &self.files {
            match content {
                Some(content) => {
                    if fs::read(path).is_ok_and(|now| now == content.bytes) {
                        continue;
                    }
                    fs::write(path, &content.bytes).map_err(failed(path))?;
                    fs::set_permissions(path, content.permissions.clone()).map_err(failed(path))?;
                }
                None if path.exists() => fs::remove_file(path).map_err(failed(path))?,
                None => {}
            }
        }
        for folder in &self.folders {
            // One that was never made needs no removal.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overwritten_removed_or_made_is_put_back() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("kept"), "kept").unwrap();
        fs::write(at("gone"), "gone").unwrap();
        let paths = ["kept", "gone", "new/deep/file"].map(PathBuf::from);
        let before = Before::of(place.path(), &paths).unwrap();
        fs::write(at("kept"), "half").unwrap();
        fs::remove_file(at("gone")).unwrap();
        fs::create_dir_all(at("new/deep")).unwrap();
        fs::write(at("new/deep/file"), "half").unwrap();
        before.put_back().unwrap();
        assert_eq!(fs::read_to_string(at("kept")).unwrap(), "kept");
        assert_eq!(fs::read_to_string(at("gone")).unwrap(), "gone");
        assert!(!at("new").exists());
    }

    #[test]
    fn a_path_with_a_tab_is_read_whole() {
        let paths = touched(b"1\t0\ta\tb\x00-\t-\tc\x00");
        assert_eq!(paths, ["a\tb", "c"].map(PathBuf::from));
    }
}
