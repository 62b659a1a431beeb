//! Paths that stay inside a folder, whatever links lie in it.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::{LARGEST, WorkCopyError, failed};

/// Whether no folder above the path's end is a link.
pub(super) fn is_direct(folder: &Path, path: &Path) -> bool {
    let above = path.ancestors().skip(1);
    above
        .filter(|parent| !parent.as_os_str().is_empty())
        .all(|parent| {
            fs::symlink_metadata(folder.join(parent)).is_ok_and(|metadata| metadata.is_dir())
        })
}

/// Whether a file lies there, itself and not through links.
pub(super) fn is_file(folder: &Path, path: &Path) -> bool {
    is_direct(folder, path)
        && fs::symlink_metadata(folder.join(path)).is_ok_and(|metadata| metadata.is_file())
}

pub(super) fn read(folder: &Path, path: &Path) -> Result<String, WorkCopyError> {
    let real = resolved(folder, path)?;
    let metadata = fs::metadata(&real).map_err(failed(path))?;
    // Reading a pipe would wait for ever.
    if !metadata.is_file() {
        return Err(refused(path, "is no file"));
    }
    check_size(path, metadata.len())?;
    let bytes = fs::read(&real).map_err(failed(path))?;
    String::from_utf8(bytes).map_err(|_| refused(path, "is not UTF-8 text"))
}

pub(super) fn write(folder: &Path, path: &Path, text: &str) -> Result<(), WorkCopyError> {
    check_size(path, text.len() as u64)?;
    let real = resolved(folder, path)?;
    match fs::symlink_metadata(&real) {
        Ok(metadata) if !metadata.is_file() => return Err(refused(path, "is no file")),
        Ok(_) | Err(_) => {}
    }
    if let Some(parent) = real.parent() {
        fs::create_dir_all(parent).map_err(failed(path))?;
    }
    fs::write(&real, text).map_err(failed(path))
}

fn check_size(path: &Path, bytes: u64) -> Result<(), WorkCopyError> {
    if bytes <= LARGEST {
        return Ok(());
    }
    let problem = format!("has {bytes} bytes; the most that is read or written is {LARGEST}");
    Err(refused(path, &problem))
}

/// The path with every link on it followed; what is not there yet is appended as it is.
fn resolved(folder: &Path, path: &Path) -> Result<PathBuf, WorkCopyError> {
    let plain = |part: Component| match part {
        Component::Normal(name) => !name.eq_ignore_ascii_case(".git"),
        Component::CurDir => true,
        _ => false,
    };
    if path.as_os_str().is_empty() || !path.components().all(plain) {
        return Err(refused(path, "is no path inside the work copy"));
    }
    let root = folder.canonicalize().map_err(failed(folder))?;
    let full = root.join(path);
    let there = full
        .ancestors()
        // A link that leads nowhere is there too, and cannot be resolved.
        .find(|part| fs::symlink_metadata(part).is_ok())
        .unwrap_or(&root);
    let real = there.canonicalize().map_err(failed(path))?;
    if !real.starts_with(&root) {
        return Err(refused(path, "leads out of the work copy"));
    }
    let rest = full.strip_prefix(there).unwrap_or(Path::new(""));
    // Joining an empty path would append a slash, which only folders may have.
    let real = match rest.as_os_str().is_empty() {
        true => real,
        false => real.join(rest),
    };
    let planted = real.strip_prefix(&root).unwrap_or(&real).components();
    match planted.into_iter().all(plain) {
        true => Ok(real),
        false => Err(refused(path, "leads into a .git folder")),
    }
}

fn refused(path: &Path, problem: &str) -> WorkCopyError {
    WorkCopyError(format!("{}: {problem}", path.display()))
}
