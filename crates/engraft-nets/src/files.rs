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
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed(path))?;
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
        .prefix(".writing-")
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
        .prefix(".replaced-")
        .tempdir_in(parent)
        .map_err(failed(path))?;
    if path.exists() {
        fs::rename(path, aside.path().join("old")).map_err(failed(path))?;
    }
    let fresh = fresh.keep();
    fs::rename(&fresh, path).map_err(failed(path))?;
    folder_permissions(path).map_err(failed(path))
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
