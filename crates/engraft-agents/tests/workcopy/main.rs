//! Work copies: the user's files are never touched, what changed comes out as a patch that applies, and
//! nothing that a command leaves behind can mislead the git that looks at it.

mod changes;
mod copies;
mod hostile;
mod reset;
mod user_tree;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use tempfile::TempDir;

/// Runs git as the user would.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=n", "-c", "user.email=e"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A folder with these files, without git.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, content) in files {
        put(place.path(), name, content);
    }
    place
}

/// A repository whose one commit has these files.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let place = folder(files);
    git(place.path(), &["init", "-q"]);
    git(place.path(), &["add", "-A"]);
    git(
        place.path(),
        &["commit", "-q", "--allow-empty", "-m", "first"],
    );
    place
}

/// Every file below a folder, `.git` included, with its bytes; links with where they lead.
fn everything(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            let name = path.as_os_str().as_bytes().to_vec();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                all.insert(name, target.as_os_str().as_bytes().to_vec());
            } else {
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    all
}

fn names(copy: &engraft_agents::WorkCopy) -> Vec<String> {
    let files = copy.files().unwrap();
    let text = |file: &std::path::PathBuf| file.to_string_lossy().into_owned();
    files.iter().map(text).collect()
}
