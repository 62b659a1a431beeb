//! Where the memories of these tests are: a database each.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use engraft_memory::PostgresStore;
use postgres::{Client, NoTls};

use crate::server;

pub type Kept = PostgresStore;

pub struct Place {
    pub database: String,
}

impl Place {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let database = format!("memory_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server::administer("postgres", &format!("CREATE DATABASE {database}"));
        Self { database }
    }

    pub fn address(&self) -> String {
        server::address(&self.database)
    }

    /// Opens the memory, or makes it.
    pub fn open(&self) -> Kept {
        PostgresStore::open(&self.address()).unwrap()
    }

    /// A connection past the memory.
    pub fn client(&self) -> Client {
        Client::connect(&self.address(), NoTls).unwrap()
    }

    /// Does what only somebody who knows the tables can do.
    pub fn attack(&self, statement: &str) -> Result<(), String> {
        let mut client = self.client();
        client
            .batch_execute("SET search_path TO engraft_memory")
            .unwrap();
        let done = client.batch_execute(statement);
        done.map_err(|error| error.as_db_error().unwrap().message().to_owned())
    }

    /// Every file of the database: its name and its bytes, as they are on the disk by now.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut client = self.client();
        client.batch_execute("CHECKPOINT").unwrap();
        let folder = "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database \
                      WHERE datname = current_database()";
        let folder: String = client.query_one(folder, &[]).unwrap().get(0);
        let paths = fs::read_dir(folder).unwrap();
        let paths = paths.map(|entry| entry.unwrap().path());
        // Files may go while they are listed.
        let read = |path: PathBuf| Some((path.display().to_string(), fs::read(&path).ok()?));
        paths.filter_map(read).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        server::administer("postgres", &drop);
    }
}
