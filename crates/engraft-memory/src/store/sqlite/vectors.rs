//! Embeddings of items: kept beside the items so that they are computed once, and never trusted for a
//! text that is another one by now.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{table, write::Writer};
use crate::{
    Id, MemoryError, Vectors,
    store::{limits, naming},
};

/// What a model's embeddings of the current items are.
pub(super) fn read(connection: &Connection, model: &str) -> rusqlite::Result<Vectors> {
    let mut statement = connection.prepare_cached(
        "SELECT items.id, vectors.numbers, CASE WHEN vectors.numbers IS NULL THEN items.text END \
         FROM items LEFT JOIN vectors ON vectors.model = ?1 AND vectors.item = items.first \
         AND vectors.text_hash = items.text_hash WHERE items.state = 'current' ORDER BY items.first",
    )?;
    let mut rows = statement.query([model])?;
    let mut vectors = Vectors::default();
    while let Some(row) = rows.next()? {
        let id = Id(row.get(0)?);
        match row.get::<_, Option<Vec<u8>>>(1)? {
            Some(bytes) => vectors.known.push((id, numbers(&bytes))),
            None => vectors.missing.push((id, row.get(2)?)),
        }
    }
    Ok(vectors)
}

/// Keeps the embeddings of texts that are still the items' texts.
pub(super) fn keep(
    connection: &mut Connection,
    path: &Path,
    model: &str,
    vectors: &[(Id, String, Vec<f32>)],
) -> Result<(), MemoryError> {
    limits::line("the model's name", model)?;
    let writer = Writer::begin(connection, path)?;
    for (id, text, numbers) in vectors {
        limits::embedding(id, model, numbers)?;
        let item = writer.told(table::find(&writer.transaction, id))?;
        let item = item.ok_or_else(|| MemoryError::Unknown(id.to_string()))?;
        if item.content.text == *text {
            writer.told(put(&writer.transaction, model, item.first, text, numbers))?;
        }
    }
    writer.commit()
}

fn put(
    connection: &Connection,
    model: &str,
    item: u64,
    text: &str,
    numbers: &[f32],
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO vectors (model, item, text_hash, numbers) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    statement.execute(params![model, item, naming::text_hash(text), bytes])?;
    Ok(())
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    let numbers = bytes.as_chunks::<4>().0.iter();
    numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
