//! The folder of a run: one process works there at a time.

use std::{fs::create_dir_all, path::Path};

use engraft_files::Lock;

use crate::RecordError;

/// Held while a batch works there.
const LOCK: &str = ".repair.lock";

/// Makes the folder, which is ours for as long as the lock lives.
///
/// # Errors
/// If another run works there, or the folder cannot be made or locked.
pub(super) fn enter(out: &Path) -> Result<Lock, RecordError> {
    make(out)?;
    let path = out.join(LOCK);
    let lock = Lock::take(&path).map_err(|source| RecordError::Lock { path, source })?;
    lock.ok_or_else(|| RecordError::Busy {
        folder: out.to_owned(),
    })
}

pub(super) fn make(folder: &Path) -> Result<(), RecordError> {
    create_dir_all(folder).map_err(|source| RecordError::Folder {
        path: folder.to_owned(),
        source,
    })
}
