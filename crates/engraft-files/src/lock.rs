//! A file that one process holds at a time: the mark of a folder that is worked in.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Held as long as this lives. The system frees it with the process, however that ends.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Makes the file, if it is not there, and holds it; `None` if another process does.
    ///
    /// # Errors
    /// If the file cannot be made or locked.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = File::create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it is not enough: a program that another thread starts just now holds it open for a moment.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::Lock;

    #[test]
    fn one_holds_it_and_then_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let first = Lock::take(&path).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(&path).unwrap().is_none());
        drop(first);
        assert!(Lock::take(&path).unwrap().is_some());
        assert!(Lock::take(&folder.path().join("nowhere/.lock")).is_err());
    }
}
