//! Questions to a memory as it was.

use super::{Ask, Found, Recalled};
use crate::{
    MemoryError, Store,
    retrieval::{FieldQuery, Fields, Group, Okapi, tokens},
};

/// Answers from the items as they stood after an event, by their words: what is superseded now may hold then.
pub fn ask_then(store: &dyn Store, seq: u64, ask: &Ask<'_>) -> Result<Recalled, MemoryError> {
    let items = store.snapshot(seq, &ask.filter)?;
    let mut words = Fields::new(&["text"], Okapi::default());
    for (place, item) in items.iter().enumerate() {
        let text = &item.content.text;
        words.insert(place, Group::of(text), &[("text", &tokens(text))])?;
    }
    let query = FieldQuery {
        field: "text",
        tokens: tokens(ask.text),
        weight: 1.0,
    };
    let hits = words.search(&[query], ask.most)?.into_iter();
    let found = hits.map(|hit| Found {
        item: items[hit.key].clone(),
        score: hit.score,
    });
    Ok(Recalled {
        found: found.collect(),
        omitted: Vec::new(),
    })
}
