//! Files that appear whole or not at all.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// A file or folder could not be written; nothing of it is there.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; check the folder's permissions and the free space", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError { path, source }
}

/// Writes a file beside its place, syncs it and renames it there.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(FILE)
        .tempfile_in(folder)
        .map_err(failed(path))?;
    file.write_all(content).map_err(failed(path))?;
    file.as_file().sync_all().map_err(failed(path))?;
    open_permissions(file.path()).map_err(failed(path))?;
    file.persist(path)
        .map_err(|error| failed(path)(error.error))?;
    Ok(())
}

/// Writes a folder of files beside its place and renames it there, replacing what was there.
pub fn write_folder(path: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), WriteError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let fresh = tempfile::Builder::new()
        .prefix(FRESH)
        .tempdir_in(parent)
        .map_err(failed(path))?;
    for (name, content) in files {
        write_file(&fresh.path().join(name), content)?;
    }
    fs::File::open(fresh.path())
        .and_then(|folder| folder.sync_all())
        .map_err(failed(path))?;
    // A folder cannot be renamed over a full one: the old steps aside and goes once the new stands.
    let aside = tempfile::Builder::new()
        .prefix(ASIDE)
        .tempdir_in(parent)
        .map_err(failed(path))?;
    let old = aside.path().join("old");
    if path.exists() {
        fs::rename(path, &old).map_err(failed(path))?;
    }
    folder_permissions(fresh.path()).map_err(failed(path))?;
    if let Err(error) = fs::rename(fresh.path(), path) {
        // The new one could not take the place: the old one goes back to it.
        if old.exists() && fs::rename(&old, path).is_err() {
            // Not even that: it stays where it is rather than be lost.
            let kept = aside.keep().join("old");
            return Err(failed(&kept)(error));
        }
        return Err(failed(path)(error));
    }
    // It stands under its own name now; there is nothing left to remove.
    let _ = fresh.keep();
    Ok(())
}

/// How the names of folders on their way begin.
const FRESH: &str = ".writing-";
/// How the names of folders that make room for others begin.
const ASIDE: &str = ".replaced-";
/// How the names of files on their way begin.
const FILE: &str = ".file-";

/// Whether a file or folder of this name is one that a crash left on its way.
pub fn is_leftover(name: &str) -> bool {
    [FRESH, ASIDE, FILE]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Temporary files are private; what a user asked for has the usual permissions.
#[cfg(unix)]
fn open_permissions(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(unix)]
fn folder_permissions(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_permissions(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn folder_permissions(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_replaces_the_one_before_and_leaves_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model");
        write_folder(&path, &[("a", vec![1]), ("b", vec![2])]).unwrap();
        write_folder(&path, &[("a", vec![3])]).unwrap();
        assert_eq!(names(place.path()), ["model"]);
        assert_eq!(names(&path), ["a"]);
        assert_eq!(fs::read(path.join("a")).unwrap(), [3]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_whole_leaves_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model");
        write_folder(&path, &[("a", vec![1])]).unwrap();
        let broken = write_folder(&path, &[("a", vec![2]), ("no/such/folder", vec![3])]);
        assert!(broken.unwrap_err().to_string().contains("free space"));
        assert_eq!(names(place.path()), ["model"]);
        assert_eq!(fs::read(path.join("a")).unwrap(), [1]);
    }
}
