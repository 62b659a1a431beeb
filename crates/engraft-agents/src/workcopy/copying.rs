//! Copying and walking trees whose contents may be hostile.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{WorkCopyError, failed, inside};

/// Copies these files and links, and says which there were: not those that are missing, behind a link,
/// or of another kind.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    files: &[PathBuf],
) -> Result<Vec<PathBuf>, WorkCopyError> {
    let mut copied = Vec::new();
    // Files of one folder follow each other: it is looked at once.
    let mut above: Option<(&Path, bool)> = None;
    for path in files {
        let source = from.join(path);
        let Ok(metadata) = fs::symlink_metadata(&source) else {
            continue;
        };
        let kind = metadata.file_type();
        if !(kind.is_file() || kind.is_symlink()) {
            continue;
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        let direct = match above {
            Some((known, direct)) if known == parent => direct,
            _ => {
                let direct = inside::is_direct(from, path);
                if direct {
                    let folder = to.join(parent);
                    fs::create_dir_all(&folder).map_err(failed(&folder))?;
                }
                above = Some((parent, direct));
                direct
            }
        };
        if !direct {
            continue;
        }
        let target = to.join(path);
        if kind.is_symlink() {
            let leads_to = fs::read_link(&source).map_err(failed(&source))?;
            std::os::unix::fs::symlink(leads_to, &target).map_err(failed(&target))?;
        } else {
            fs::copy(&source, &target).map_err(failed(&source))?;
            grant(&target, 0o600)?;
        }
        copied.push(path.clone());
    }
    Ok(copied)
}

/// The paths of all files and links below a folder, without its `.git`.
pub(super) fn walk(folder: &Path) -> Result<Vec<PathBuf>, WorkCopyError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(at) = folders.pop() {
        let full = folder.join(&at);
        for entry in fs::read_dir(&full).map_err(failed(&full))? {
            let entry = entry.map_err(failed(&full))?;
            let path = at.join(entry.file_name());
            let kind = entry.file_type().map_err(failed(&full))?;
            if path == Path::new(".git") {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// Gives us back the rights to read and remove what a command shut away.
pub(super) fn loosen(folder: &Path) -> Result<(), WorkCopyError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        grant(&folder, 0o700)?;
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let kind = entry.file_type().map_err(failed(&folder))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                grant(&entry.path(), 0o600)?;
            }
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it, however deep and whatever its rights: what lies deeper than a path
/// may be long is first brought up,
/// to a place on the same file system.
pub(super) fn remove_folder(folder: &Path, place: &Path) -> Result<(), WorkCopyError> {
    let beside = tempfile::tempdir_in(place).map_err(failed(place))?;
    let mut waiting = vec![folder.to_owned()];
    let mut count = 0;
    while let Some(at) = waiting.pop() {
        grant(&at, 0o700)?;
        for entry in fs::read_dir(&at).map_err(failed(&at))? {
            let path = entry.map_err(failed(&at))?.path();
            if fs::symlink_metadata(&path).map_err(failed(&path))?.is_dir() {
                grant(&path, 0o700)?;
                let up = beside.path().join(format!("{count}"));
                count += 1;
                fs::rename(&path, &up).map_err(failed(&path))?;
                waiting.push(up);
            } else {
                fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        fs::remove_dir(&at).map_err(failed(&at))?;
    }
    Ok(())
}

/// Gives us rights that a command may have taken away.
pub(super) fn grant(path: &Path, rights: u32) -> Result<(), WorkCopyError> {
    let mut permissions = fs::symlink_metadata(path)
        .map_err(failed(path))?
        .permissions();
    let mode = permissions.mode();
    if mode & rights != rights {
        permissions.set_mode(mode | rights);
        fs::set_permissions(path, permissions).map_err(failed(path))?;
    }
    Ok(())
}
