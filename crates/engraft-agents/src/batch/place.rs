//! The folder of a run: one process works there at a time.

use std::{
    fs::{File, TryLockError, create_dir_all},
    path::Path,
};

use crate::RecordError;

/// Locked while a batch works there. The system frees it with the process, however that ends.
const LOCK: &str = ".repair.lock";

/// The folder is ours for as long as this lives.
pub(super) struct Entered(File);

impl Drop for Entered {
    fn drop(&mut self) {
        // Closing it is not enough: a program that another thread starts just now holds it open for a moment.
        let _ = self.0.unlock();
    }
}

/// Makes the folder and locks it.
///
/// # Errors
/// If another run works there, or the folder cannot be made or locked.
pub(super) fn enter(out: &Path) -> Result<Entered, RecordError> {
    make(out)?;
    let path = out.join(LOCK);
    let failed = |source| RecordError::Lock {
        path: path.clone(),
        source,
    };
    let lock = File::create(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Entered(lock)),
        Err(TryLockError::WouldBlock) => Err(RecordError::Busy {
            folder: out.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

pub(super) fn make(folder: &Path) -> Result<(), RecordError> {
    create_dir_all(folder).map_err(|source| RecordError::Folder {
        path: folder.to_owned(),
        source,
    })
}
