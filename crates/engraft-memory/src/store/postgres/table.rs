//! The table of items, with the words of each.

use postgres::{Row, types::Type};

use super::{
    address::Place,
    lexemes,
    link::{Link, Value},
    row::{Columns, comparable, signed},
};
use crate::{
    Draft, Filter, Id, Item, Kind, MemoryError,
    store::{naming, spelling},
};

/// What [`item`] reads, in its order.
pub(super) const COLUMNS: &str = "id, kind, scope, role, text, data, happened, votes, source, pinned, \
     state, other, added, changed, first, last";

/// One item, whatever became of it.
pub(super) fn find(link: &Link, id: &Id) -> Result<Option<Item>, MemoryError> {
    let query = format!("SELECT {COLUMNS} FROM engraft_memory.items WHERE id = $1");
    let rows = link.query(&query, &[(&comparable(&id.0), Type::TEXT)])?;
    rows.first().map(|row| item(&link.place, row)).transpose()
}

/// The first current item that says the same.
pub(super) fn same(link: &Link, hash: &[u8; 32]) -> Result<Option<Id>, MemoryError> {
    let rows = link.query(
        "SELECT id FROM engraft_memory.items WHERE content_hash = $1 AND state = 'current' \
         ORDER BY first LIMIT 1",
        &[(&hash.as_slice(), Type::BYTEA)],
    )?;
    let place = &link.place;
    let id = |row| Columns { place, row }.value(0).map(Id);
    rows.first().map(id).transpose()
}

/// All that a filter admits, in the order in which they were added.
pub(super) fn all(link: &Link, filter: &Filter) -> Result<Vec<Item>, MemoryError> {
    let narrow = Narrow::to(filter);
    let query = format!("SELECT {COLUMNS} FROM engraft_memory.items WHERE {NARROW} ORDER BY first");
    admitted(link, filter, &link.query(&query, &narrow.values())?)
}

/// The items of rows, without those that a filter does not admit.
pub(super) fn admitted(
    link: &Link,
    filter: &Filter,
    rows: &[Row],
) -> Result<Vec<Item>, MemoryError> {
    let items = rows.iter().map(|row| item(&link.place, row));
    let admits = |item: &Result<Item, _>| item.as_ref().map_or(true, |item| filter.admits(item));
    items.filter(admits).collect()
}

/// A condition on the first six values of a statement that leaves out what a filter does not admit, all
/// but items of another time.
pub(super) const NARROW: &str = "($1 OR state = 'current') AND ($2::text IS NULL OR kind = $2) \
     AND (NOT $3 OR scope = $4) AND (NOT $5 OR role = $6)";

/// The values of [`NARROW`].
pub(super) struct Narrow<'a> {
    all_states: bool,
    kind: Option<&'static str>,
    by_scope: bool,
    scope: Option<&'a str>,
    by_role: bool,
    role: Option<&'a str>,
}

impl<'a> Narrow<'a> {
    pub fn to(filter: &'a Filter) -> Self {
        Self {
            all_states: filter.all_states,
            kind: filter.kind.map(Kind::name),
            by_scope: filter.scope.is_some(),
            scope: filter.scope.as_deref().and_then(comparable),
            by_role: filter.role.is_some(),
            role: filter.role.as_deref().and_then(comparable),
        }
    }

    pub fn values(&self) -> Vec<Value<'_>> {
        vec![
            (&self.all_states, Type::BOOL),
            (&self.kind, Type::TEXT),
            (&self.by_scope, Type::BOOL),
            (&self.scope, Type::TEXT),
            (&self.by_role, Type::BOOL),
            (&self.role, Type::TEXT),
        ]
    }
}

/// Adds an item that is new.
pub(super) fn insert(link: &Link, item: &Item) -> Result<(), MemoryError> {
    write(
        link,
        item,
        "INSERT INTO engraft_memory.items (id, kind, scope, role, text, data, happened, votes, source, \
         pinned, state, other, added, changed, first, last, content_hash, text_hash, words) VALUES \
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::tsvector)",
    )
}

/// Writes an item that was there over what it was before.
pub(super) fn replace(link: &Link, item: &Item) -> Result<(), MemoryError> {
    write(
        link,
        item,
        "UPDATE engraft_memory.items SET id = $1, kind = $2, scope = $3, role = $4, text = $5, data = $6, \
         happened = $7, votes = $8, source = $9, pinned = $10, state = $11, other = $12, added = $13, \
         changed = $14, last = $16, content_hash = $17, text_hash = $18, words = $19::tsvector \
         WHERE first = $15",
    )
}

fn write(link: &Link, item: &Item, statement: &str) -> Result<(), MemoryError> {
    let content = &item.content;
    let source = serde_json::to_string(&content.source)
        .map_err(|error| MemoryError::Refused(format!("the source cannot be written ({error})")))?;
    let (state, other) = spelling::state(&item.state);
    let happened = content.happened.map(|time| time.to_string());
    let content_hash = naming::content_hash(content);
    let text_hash = naming::text_hash(&content.text);
    let values: [Value<'_>; 19] = [
        (&item.id.0, Type::TEXT),
        (&content.kind.name(), Type::TEXT),
        (&content.scope, Type::TEXT),
        (&content.role, Type::TEXT),
        (&content.text, Type::TEXT),
        (&content.data.to_string(), Type::TEXT),
        (&happened, Type::TEXT),
        (&content.votes, Type::INT8),
        (&source, Type::TEXT),
        (&item.pinned, Type::BOOL),
        (&state, Type::TEXT),
        (&other, Type::TEXT),
        (&item.added.to_string(), Type::TEXT),
        (&item.changed.to_string(), Type::TEXT),
        (&signed(item.first), Type::INT8),
        (&signed(item.last), Type::INT8),
        (&content_hash.as_slice(), Type::BYTEA),
        (&text_hash.as_slice(), Type::BYTEA),
        (&lexemes::vector(&content.text), Type::TEXT),
    ];
    link.execute(statement, &values)?;
    Ok(())
}

/// Reads [`COLUMNS`].
fn item(place: &Place, row: &Row) -> Result<Item, MemoryError> {
    let columns = Columns { place, row };
    let kind = spelling::read_kind(columns.value(1)?);
    let state = spelling::read_state(columns.value(10)?, columns.value(11)?);
    let unknown = |column| columns.unreadable(column, "a word that means nothing");
    Ok(Item {
        id: Id(columns.value(0)?),
        content: Draft {
            kind: kind.ok_or_else(|| unknown(1))?,
            scope: columns.value(2)?,
            role: columns.value(3)?,
            text: columns.value(4)?,
            data: columns.json(5)?,
            happened: columns.optional_time(6)?,
            votes: columns.value(7)?,
            source: columns.json(8)?,
        },
        pinned: columns.value(9)?,
        state: state.ok_or_else(|| unknown(10))?,
        added: columns.time(12)?,
        changed: columns.time(13)?,
        first: columns.number(14)?,
        last: columns.number(15)?,
    })
}
