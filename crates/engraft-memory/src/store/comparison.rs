//! Whether a memory is what its log says: the sentences of a check.

use std::collections::BTreeMap;

use super::Projection;
use crate::{Event, Filter, Id, Item};

/// Every item, whatever became of it.
pub(super) fn everything() -> Filter {
    Filter {
        all_states: true,
        ..Filter::default()
    }
}

/// What is wrong with a log and the items that are kept beside it, a sentence each.
pub(super) fn compare(events: &[Event], items: Vec<Item>) -> Vec<String> {
    let mut found: Vec<String> = gap(events).into_iter().collect();
    match Projection::of(events) {
        Ok(projection) => found.extend(differences(projection.items(), items)),
        Err(error) => found.push(error.to_string()),
    }
    found
}

fn gap(events: &[Event]) -> Option<String> {
    let place = (1..).zip(events).find(|(place, event)| *place != event.seq);
    place.map(|(place, event)| format!("event {place} is missing: {} stands there", event.seq))
}

fn differences(wanted: Vec<Item>, found: Vec<Item>) -> Vec<String> {
    let by_id = |items: Vec<Item>| -> BTreeMap<Id, Item> {
        let items = items.into_iter();
        items.map(|item| (item.id.clone(), item)).collect()
    };
    let (wanted, mut found) = (by_id(wanted), by_id(found));
    let mut different = Vec::new();
    for (id, item) in wanted {
        match found.remove(&id) {
            None => different.push(format!("`{id}` is in the log but not among the items")),
            Some(there) if there != item => {
                different.push(format!("`{id}` is not what the log says it is"));
            }
            Some(_) => {}
        }
    }
    let surplus = found.into_keys();
    different.extend(surplus.map(|id| format!("`{id}` is among the items but not in the log")));
    different
}
