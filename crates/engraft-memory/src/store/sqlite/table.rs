//! The table of items, and the index of their words that goes with it.

use jiff::Timestamp;
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, params, params_from_iter,
    types::{FromSqlError, Type},
};

use super::log::unreadable;
use crate::{
    Draft, Filter, Id, Item, Kind,
    store::{naming, spelling},
};

/// What [`item`] reads, in its order.
pub(super) const COLUMNS: &str = "items.id, items.kind, items.scope, items.role, items.text, items.data, \
     items.happened, items.votes, items.source, items.pinned, items.state, items.other, items.added, \
     items.changed, items.first, items.last";

/// One item, whatever became of it.
pub(super) fn find(connection: &Connection, id: &Id) -> rusqlite::Result<Option<Item>> {
    let query = format!("SELECT {COLUMNS} FROM items WHERE id = ?1");
    let mut statement = connection.prepare_cached(&query)?;
    statement.query_row([&id.0], item).optional()
}

/// The first current item that says the same.
pub(super) fn same(connection: &Connection, hash: &[u8; 32]) -> rusqlite::Result<Option<Id>> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM items WHERE content_hash = ?1 AND state = 'current' ORDER BY first LIMIT 1",
    )?;
    let id = statement.query_row([hash], |row| row.get(0)).optional()?;
    Ok(id.map(Id))
}

/// All that a filter admits, in the order in which they were added.
pub(super) fn all(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Item>> {
    let (narrow, values) = narrow(filter);
    let query = format!("SELECT {COLUMNS} FROM items WHERE {narrow} ORDER BY first");
    let mut statement = connection.prepare_cached(&query)?;
    let items = statement.query_map(params_from_iter(values), item)?;
    let admitted = |item: &rusqlite::Result<Item>| item.as_ref().map_or(true, |i| filter.admits(i));
    items.filter(admitted).collect()
}

/// A condition that leaves out most of what a filter does not admit, and its values.
pub(super) fn narrow(filter: &Filter) -> (String, Vec<&str>) {
    let asked = [
        ("kind", filter.kind.map(Kind::name)),
        ("scope", filter.scope.as_deref()),
        ("role", filter.role.as_deref()),
    ];
    let asked = asked
        .into_iter()
        .filter_map(|(column, value)| Some((column, value?)));
    let (columns, values): (Vec<_>, Vec<_>) = asked.unzip();
    let mut narrow = match filter.all_states {
        true => "true".to_owned(),
        false => "items.state = 'current'".to_owned(),
    };
    for column in columns {
        narrow.push_str(&format!(" AND items.{column} = ?"));
    }
    (narrow, values)
}

/// Adds an item that is new.
pub(super) fn insert(connection: &Connection, item: &Item) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO items (id, kind, scope, role, text, data, happened, votes, source, pinned, state, \
         other, added, changed, first, last, content_hash, text_hash) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?;
    write(&mut statement, item)?;
    index(connection, item)
}

/// Writes an item that was there over what it was before.
pub(super) fn replace(connection: &Connection, item: &Item) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT text FROM items WHERE first = ?1")?;
    let before: String = statement.query_row([item.first], |row| row.get(0))?;
    let other_text = before != item.content.text;
    if other_text {
        // The index forgets the words of a text only when it is told that text.
        let mut statement = connection
            .prepare_cached("INSERT INTO texts (texts, rowid, text) VALUES ('delete', ?1, ?2)")?;
        statement.execute(params![item.first, before])?;
    }
    let mut statement = connection.prepare_cached(
        "UPDATE items SET id = ?1, kind = ?2, scope = ?3, role = ?4, text = ?5, data = ?6, \
         happened = ?7, votes = ?8, source = ?9, pinned = ?10, state = ?11, other = ?12, added = ?13, \
         changed = ?14, last = ?16, content_hash = ?17, text_hash = ?18 WHERE first = ?15",
    )?;
    write(&mut statement, item)?;
    match other_text {
        true => index(connection, item),
        false => Ok(()),
    }
}

fn index(connection: &Connection, item: &Item) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT INTO texts (rowid, text) VALUES (?1, ?2)")?;
    statement.execute(params![item.first, item.content.text])?;
    Ok(())
}

fn write(statement: &mut rusqlite::Statement<'_>, item: &Item) -> rusqlite::Result<usize> {
    let content = &item.content;
    let unwritable =
        |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    let (state, other) = spelling::state(&item.state);
    let values: [&dyn ToSql; 18] = [
        &item.id.0,
        &content.kind.name(),
        &content.scope,
        &content.role,
        &content.text,
        &content.data.to_string(),
        &content.happened.map(|time| time.to_string()),
        &content.votes,
        &serde_json::to_string(&content.source).map_err(unwritable)?,
        &item.pinned,
        &state,
        &other,
        &item.added.to_string(),
        &item.changed.to_string(),
        &item.first,
        &item.last,
        &naming::content_hash(content),
        &naming::text_hash(&content.text),
    ];
    statement.execute(values.as_slice())
}

/// Reads [`COLUMNS`].
pub(super) fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let text = |column| row.get::<_, String>(column);
    let happened = match row.get_ref(6)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(time(row, 6)?),
    };
    Ok(Item {
        id: Id(text(0)?),
        content: Draft {
            kind: spelling::read_kind(&text(1)?).ok_or_else(|| unknown(1))?,
            scope: text(2)?,
            role: text(3)?,
            text: text(4)?,
            data: serde_json::from_str(&text(5)?).map_err(unreadable(5))?,
            happened,
            votes: row.get(7)?,
            source: serde_json::from_str(&text(8)?).map_err(unreadable(8))?,
        },
        pinned: row.get(9)?,
        state: spelling::read_state(&text(10)?, row.get(11)?).ok_or_else(|| unknown(10))?,
        added: time(row, 12)?,
        changed: time(row, 13)?,
        first: row.get(14)?,
        last: row.get(15)?,
    })
}

/// A column that holds a moment.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse().map_err(unreadable::<jiff::Error>(column))
}

/// A column that holds a word which is none of those that it may hold.
fn unknown(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Text,
        Box::new(FromSqlError::InvalidType),
    )
}
