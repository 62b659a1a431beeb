//! Whether the tables hold together: what follows from the log is compared with it, and can be made anew.

use postgres::types::Type;

use super::{lexemes, link::Link, log, row::Columns, table, write::Writer};
use crate::{
    MemoryError,
    store::{Projection, comparison, writing},
};

/// What is wrong with the memory. Writers wait meanwhile.
pub(super) fn check(link: &Link) -> Result<Vec<String>, MemoryError> {
    let _nobody_writes = link.begin()?;
    let events = log::after(link, 0, usize::MAX)?;
    let items = table::all(link, &comparison::everything())?;
    let mut found = comparison::compare(&events, items);
    found.extend(histories(link)?);
    found.extend(index(link)?);
    Ok(found)
}

/// Makes the items and the index of their words anew. After an error nothing is changed.
pub(super) fn rebuild(link: &Link) -> Result<(), MemoryError> {
    let mut writer = Writer::begin(link)?;
    let events = log::after(link, 0, usize::MAX)?;
    let items = Projection::of(&events)?.items();
    link.batch("DELETE FROM engraft_memory.mentions; DELETE FROM engraft_memory.items")?;
    writing::refill(&mut writer, &events, &items)?;
    writer.commit()
}

/// Whether every item's history has the last event that changed it.
fn histories(link: &Link) -> Result<Option<String>, MemoryError> {
    let rows = link.query(
        "SELECT first FROM engraft_memory.items WHERE NOT EXISTS (SELECT FROM engraft_memory.mentions \
         WHERE item = items.first AND seq = items.last)",
        &[],
    )?;
    let incomplete = || format!("the histories of {} items are incomplete", rows.len());
    Ok((!rows.is_empty()).then(incomplete))
}

/// Whether the index of words is that of the items' texts.
fn index(link: &Link) -> Result<Option<String>, MemoryError> {
    let place = &link.place;
    for row in link.query("SELECT first, text FROM engraft_memory.items", &[])? {
        let columns = Columns { place, row: &row };
        let first: i64 = columns.value(0)?;
        let words = lexemes::vector(columns.value(1)?);
        let same = link.query(
            "SELECT FROM engraft_memory.items WHERE first = $1 AND words = $2::tsvector",
            &[(&first, Type::INT8), (&words, Type::TEXT)],
        )?;
        if same.is_empty() {
            return Ok(Some(
                "the index of words is not that of the items".to_owned(),
            ));
        }
    }
    Ok(None)
}
