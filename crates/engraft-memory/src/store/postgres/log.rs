//! The table of events.

use postgres::{Row, types::Type};

use super::{
    address::Place,
    link::Link,
    row::{Columns, signed},
};
use crate::{Event, Id, MemoryError, Operation};

/// The number of the last event, 0 if there is none.
pub(super) fn last(link: &Link) -> Result<u64, MemoryError> {
    let rows = link.query(
        "SELECT coalesce(max(seq), 0) FROM engraft_memory.events",
        &[],
    )?;
    let place = &link.place;
    let last = rows.first().map(|row| Columns { place, row }.number(0));
    last.unwrap_or(Ok(0))
}

/// Puts an event at the end.
pub(super) fn append(link: &Link, event: &Event) -> Result<(), MemoryError> {
    link.execute(
        "INSERT INTO engraft_memory.events (seq, at, by, operation) VALUES ($1, $2, $3, $4)",
        &[
            (&signed(event.seq), Type::INT8),
            (&event.at.to_string(), Type::TEXT),
            (&event.by, Type::TEXT),
            (&json(&event.operation)?, Type::TEXT),
        ],
    )?;
    Ok(())
}

/// Notes that an item's history has an event.
pub(super) fn mention(link: &Link, id: &Id, event: &Event) -> Result<(), MemoryError> {
    link.execute(
        "INSERT INTO engraft_memory.mentions (item, seq) \
         SELECT first, $2 FROM engraft_memory.items WHERE id = $1",
        &[(&id.0, Type::TEXT), (&signed(event.seq), Type::INT8)],
    )?;
    Ok(())
}

/// Up to `most` events after a number.
pub(super) fn after(link: &Link, after: u64, most: usize) -> Result<Vec<Event>, MemoryError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = link.query(
        "SELECT seq, at, by, operation FROM engraft_memory.events WHERE seq > $1 ORDER BY seq LIMIT $2",
        &[(&signed(after), Type::INT8), (&most, Type::INT8)],
    )?;
    rows.iter().map(|row| event(&link.place, row)).collect()
}

/// The events that name an item, given by the number of the event that added it.
pub(super) fn about(link: &Link, first: u64) -> Result<Vec<Event>, MemoryError> {
    let rows = link.query(
        "SELECT seq, at, by, operation FROM engraft_memory.mentions JOIN engraft_memory.events \
         USING (seq) WHERE item = $1 ORDER BY seq",
        &[(&signed(first), Type::INT8)],
    )?;
    rows.iter().map(|row| event(&link.place, row)).collect()
}

/// Writes what is left of an event whose words were taken out.
pub(super) fn redact(link: &Link, event: &Event) -> Result<(), MemoryError> {
    link.execute(
        "UPDATE engraft_memory.events SET operation = $2 WHERE seq = $1",
        &[
            (&signed(event.seq), Type::INT8),
            (&json(&event.operation)?, Type::TEXT),
        ],
    )?;
    Ok(())
}

fn event(place: &Place, row: &Row) -> Result<Event, MemoryError> {
    let columns = Columns { place, row };
    Ok(Event {
        seq: columns.number(0)?,
        at: columns.time(1)?,
        by: columns.value(2)?,
        operation: columns.json(3)?,
    })
}

fn json(operation: &Operation) -> Result<String, MemoryError> {
    serde_json::to_string(operation)
        .map_err(|error| MemoryError::Refused(format!("the change cannot be written ({error})")))
}
