//! The table of events.

use rusqlite::{Connection, Row, types::Type};

use crate::{Event, Id, Operation};

/// The number of the last event, 0 if there is none.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM events")?;
    statement.query_row([], |row| row.get(0))
}

/// Puts an event at the end.
pub(super) fn append(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT INTO events (seq, at, by, operation) VALUES (?1, ?2, ?3, ?4)")?;
    let operation = json(&event.operation)?;
    statement.execute((event.seq, event.at.to_string(), &event.by, operation))?;
    Ok(())
}

/// Notes that an item's history has an event.
pub(super) fn mention(connection: &Connection, id: &Id, event: &Event) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO mentions (item, seq) SELECT first, ?2 FROM items WHERE id = ?1",
    )?;
    statement.execute((&id.0, event.seq))?;
    Ok(())
}

/// Up to `most` events after a number.
pub(super) fn after(
    connection: &Connection,
    after: u64,
    most: usize,
) -> rusqlite::Result<Vec<Event>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, at, by, operation FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    statement.query_map((after, most), event)?.collect()
}

/// The events that name an item, given by the number of the event that added it.
pub(super) fn about(connection: &Connection, first: u64) -> rusqlite::Result<Vec<Event>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, at, by, operation FROM mentions JOIN events USING (seq) WHERE item = ?1 \
         ORDER BY seq",
    )?;
    statement.query_map([first], event)?.collect()
}

/// Writes what is left of an event whose words were taken out.
pub(super) fn redact(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE events SET operation = ?2 WHERE seq = ?1")?;
    statement.execute((event.seq, json(&event.operation)?))?;
    Ok(())
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let operation: String = row.get(3)?;
    Ok(Event {
        seq: row.get(0)?,
        at: super::table::time(row, 1)?,
        by: row.get(2)?,
        operation: serde_json::from_str(&operation).map_err(unreadable(3))?,
    })
}

fn json(operation: &Operation) -> rusqlite::Result<String> {
    serde_json::to_string(operation)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// A column whose text is not what it has to be.
pub(super) fn unreadable<E: std::error::Error + Send + Sync + 'static>(
    column: usize,
) -> impl Fn(E) -> rusqlite::Error {
    move |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
