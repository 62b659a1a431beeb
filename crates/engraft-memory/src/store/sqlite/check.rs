//! Whether the file holds together: what follows from the log is compared with it, and can be made anew.

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::{SqliteStore, log, problem, table, write::Writer};
use crate::{
    MemoryError,
    store::{Projection, comparison, writing},
};

impl SqliteStore {
    /// What is wrong with the memory, a sentence each; nothing if all is well.
    ///
    /// # Errors
    /// A file that cannot be read at all.
    pub fn check(&self) -> Result<Vec<String>, MemoryError> {
        let told = problem::of(&self.path);
        // Writers wait meanwhile: the index of words is only checked by who may write. Nothing is written.
        let reading = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let reading = reading.map_err(&told)?;
        let mut found = bytes(&reading).map_err(&told)?;
        let events = log::after(&reading, 0, usize::MAX).map_err(&told)?;
        let items = table::all(&reading, &comparison::everything()).map_err(&told)?;
        found.extend(comparison::compare(&events, items));
        found.extend(derived(&reading).map_err(&told)?);
        Ok(found)
    }

    /// Makes the items and the index of their words anew from the log.
    ///
    /// # Errors
    /// A log that is damaged itself; nothing is changed then.
    pub fn rebuild(&mut self) -> Result<(), MemoryError> {
        let told = problem::of(&self.path);
        let mut writer = Writer::begin(&mut self.connection, &self.path)?;
        let events = log::after(&writer.transaction, 0, usize::MAX).map_err(&told)?;
        let items = Projection::of(&events)?.items();
        let derived = "DELETE FROM mentions; DELETE FROM items;";
        writer.transaction.execute_batch(derived).map_err(&told)?;
        writing::refill(&mut writer, &events, &items)?;
        let index = "INSERT INTO texts (texts) VALUES ('rebuild')";
        writer.transaction.execute_batch(index).map_err(&told)?;
        writer.commit()
    }
}

/// What SQLite itself finds.
fn bytes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines: Vec<String> = lines.collect::<rusqlite::Result<_>>()?;
    let wrong = lines.into_iter().filter(|line| line != "ok");
    Ok(wrong
        .map(|line| format!("the file is damaged: {line}"))
        .collect())
}

/// Whether histories and the index of words are those of the items.
fn derived(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    let unnamed: u64 = connection.query_row(
        "SELECT count(*) FROM items WHERE NOT EXISTS \
         (SELECT 1 FROM mentions WHERE item = items.first AND seq = items.last)",
        [],
        |row| row.get(0),
    )?;
    if unnamed > 0 {
        found.push(format!("the histories of {unnamed} items are incomplete"));
    }
    let index = "INSERT INTO texts (texts, rank) VALUES ('integrity-check', 1)";
    match connection.execute_batch(index) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            found.push("the index of words is not that of the items".to_owned());
        }
        other => other?,
    }
    Ok(found)
}
