//! Embeddings of items, as pgvector keeps them: computed once, and never trusted for a text that is another
//! one by now.

use postgres::types::Type;

use super::{link::Link, row::Columns, table, write::Writer};
use crate::{
    Id, MemoryError, Vectors,
    store::{limits, naming},
};

/// The most numbers that a `vector` holds.
const MOST_NUMBERS: usize = 16_000;

/// What a model's embeddings of the current items are.
pub(super) fn read(link: &Link, model: &str) -> Result<Vectors, MemoryError> {
    let rows = link.query(
        "SELECT items.id, vectors.numbers::real[], CASE WHEN vectors.numbers IS NULL THEN items.text END \
         FROM engraft_memory.items LEFT JOIN engraft_memory.vectors ON vectors.item = items.first \
         AND vectors.model_hash = $1 AND vectors.text_hash = items.text_hash \
         WHERE items.state = 'current' ORDER BY items.first",
        &[(&naming::text_hash(model).as_slice(), Type::BYTEA)],
    )?;
    let mut vectors = Vectors::default();
    let place = &link.place;
    for columns in rows.iter().map(|row| Columns { place, row }) {
        let id = Id(columns.value(0)?);
        match columns.value::<Option<Vec<f32>>>(1)? {
            Some(numbers) => vectors.known.push((id, numbers)),
            None => vectors.missing.push((id, columns.value(2)?)),
        }
    }
    Ok(vectors)
}

/// Keeps the embeddings of texts that are still the items' texts.
pub(super) fn keep(
    link: &Link,
    model: &str,
    vectors: &[(Id, String, Vec<f32>)],
) -> Result<(), MemoryError> {
    limits::line("the model's name", model)?;
    let writer = Writer::begin(link)?;
    for (id, text, numbers) in vectors {
        limits::embedding(id, model, numbers)?;
        if numbers.len() > MOST_NUMBERS {
            return Err(MemoryError::Refused(format!(
                "the embedding of `{id}` by {model} has {} numbers and pgvector keeps {MOST_NUMBERS} at \
                 most; use another model",
                numbers.len()
            )));
        }
        if !put(link, model, id, text, numbers)? && table::find(link, id)?.is_none() {
            return Err(MemoryError::Unknown(id.to_string()));
        }
    }
    writer.commit()
}

/// Keeps one, if the item is there and that is its text.
fn put(
    link: &Link,
    model: &str,
    id: &Id,
    text: &str,
    numbers: &[f32],
) -> Result<bool, MemoryError> {
    let kept = link.execute(
        "INSERT INTO engraft_memory.vectors (item, model_hash, model, text_hash, numbers) \
         SELECT first, $1, $2, text_hash, $3 FROM engraft_memory.items WHERE id = $4 AND text_hash = $5 \
         ON CONFLICT (item, model_hash) DO UPDATE \
         SET text_hash = excluded.text_hash, numbers = excluded.numbers",
        &[
            (&naming::text_hash(model).as_slice(), Type::BYTEA),
            (&model, Type::TEXT),
            (&numbers, Type::FLOAT4_ARRAY),
            (&super::row::comparable(&id.0), Type::TEXT),
            (&naming::text_hash(text).as_slice(), Type::BYTEA),
        ],
    )?;
    Ok(kept > 0)
}
