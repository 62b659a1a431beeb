//! Where the memories of these tests are: a file each, in a folder of its own.

use std::{fs, path::PathBuf};

use engraft_memory::SqliteStore;
use tempfile::TempDir;

pub type Kept = SqliteStore;

pub struct Place {
    pub path: PathBuf,
    _folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().join("memory.db"),
            _folder: folder,
        }
    }

    /// Opens the memory, or makes it.
    pub fn open(&self) -> Kept {
        SqliteStore::open(&self.path).unwrap()
    }

    /// Does what only somebody who knows the tables can do.
    pub fn attack(&self, statement: &str) -> Result<(), String> {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        let done = connection.execute(statement, []);
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Every file that the memory is kept in: its name and its bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let folder = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let paths = folder.map(|entry| entry.unwrap().path());
        let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).unwrap());
        paths.map(read).collect()
    }
}
