//! Search by words, in the index that the server keeps.

use postgres::types::Type;

use super::{
    lexemes,
    link::Link,
    table::{self, COLUMNS, NARROW, Narrow},
};
use crate::{Filter, Item, MemoryError};

/// The items that hold one of the words or more, best first: by how many of them and how often, longer
/// texts counting less.
pub(super) fn search(
    link: &Link,
    query: &str,
    filter: &Filter,
    most: usize,
) -> Result<Vec<Item>, MemoryError> {
    let Some(question) = lexemes::question(query) else {
        return Ok(Vec::new());
    };
    let query = format!(
        "SELECT {COLUMNS} FROM engraft_memory.items WHERE {NARROW} AND words @@ $7::tsquery \
         ORDER BY ts_rank(words, $7::tsquery, 1) DESC, first LIMIT $8"
    );
    // What is left out by its time is left out here, after the server counted.
    let limit = match filter.before {
        None => i64::try_from(most).unwrap_or(i64::MAX),
        Some(_) => i64::MAX,
    };
    let narrow = Narrow::to(filter);
    let mut values = narrow.values();
    values.push((&question, Type::TEXT));
    values.push((&limit, Type::INT8));
    let mut items = table::admitted(link, filter, &link.query(&query, &values)?)?;
    items.truncate(most);
    Ok(items)
}
