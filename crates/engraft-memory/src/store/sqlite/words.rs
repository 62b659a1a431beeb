//! Search by words, in the index that SQLite keeps.

use std::collections::HashSet;

use rusqlite::{Connection, params_from_iter};

use super::table;
use crate::{Filter, Item};

/// More words than a question needs; a whole page as a question is cut here.
const MOST_WORDS: usize = 512;

/// The items that hold one of the words or more, best first by BM25.
pub(super) fn search(
    connection: &Connection,
    query: &str,
    filter: &Filter,
    most: usize,
) -> rusqlite::Result<Vec<Item>> {
    let quoted = quoted(query);
    if quoted.is_empty() {
        return Ok(Vec::new());
    }
    let (narrow, values) = table::narrow(filter);
    let columns = table::COLUMNS;
    let query = format!(
        "SELECT {columns} FROM texts JOIN items ON items.first = texts.rowid \
         WHERE texts MATCH ? AND {narrow} ORDER BY texts.rank, items.first"
    );
    let mut statement = connection.prepare_cached(&query)?;
    let values = params_from_iter([quoted.as_str()].into_iter().chain(values));
    let items = statement.query_map(values, table::item)?;
    let admitted = |item: &rusqlite::Result<Item>| item.as_ref().map_or(true, |i| filter.admits(i));
    items.filter(admitted).take(most).collect()
}

/// The words of a question, each in quotes: nothing in it is read as a command of the index.
fn quoted(query: &str) -> String {
    let mut seen = HashSet::new();
    let words = query
        .split(|character: char| character.is_whitespace() || character == '\0')
        .filter(|word| !word.is_empty() && seen.insert(*word))
        .take(MOST_WORDS)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")));
    words.collect::<Vec<_>>().join(" OR ")
}
