//! Words that have to go for good: out of the log, out of every table and out of the file's bytes.

use std::path::Path;

use rusqlite::Connection;

use super::{problem, write::Writer};
use crate::{Id, MemoryError, store::redaction};

/// Takes an item's words out. A second time is no error and takes them out of the bytes again.
pub(super) fn purge(connection: &mut Connection, path: &Path, id: &Id) -> Result<(), MemoryError> {
    redact(connection, path, id)?;
    let why = match wipe(connection) {
        Ok(false) => return Ok(()),
        Ok(true) => "another program has the memory open; end that program".to_owned(),
        Err(error) => format!("it could not be written anew ({error}); free some disk space"),
    };
    Err(problem::at(
        path,
        format!(
            "`{id}` is purged, but old bytes of the file still hold its words because {why} and purge \
             `{id}` again"
        ),
    ))
}

fn redact(connection: &mut Connection, path: &Path, id: &Id) -> Result<(), MemoryError> {
    let told = problem::of(path);
    connection
        .pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))
        .map_err(&told)?;
    let mut writer = Writer::begin(connection, path)?;
    let item = redaction::redact(&mut writer, id)?;
    let derived = &writer.transaction;
    derived
        .execute("DELETE FROM vectors WHERE item = ?1", [item.first])
        .map_err(&told)?;
    // The index would keep deleted words until it happens to merge them away.
    derived
        .execute("INSERT INTO texts (texts) VALUES ('rebuild')", [])
        .map_err(&told)?;
    writer.commit()
}

/// Writes the whole file anew, since unused parts of its pages may hold old words, and empties the
/// write-ahead log. Says whether another program stood in the way.
fn wipe(connection: &Connection) -> rusqlite::Result<bool> {
    connection.execute_batch("VACUUM")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
}
