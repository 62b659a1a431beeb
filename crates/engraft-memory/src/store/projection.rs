//! What a log adds up to: a pure fold from events to items.
//!
//! The store keeps its table of items by the same rule, one event at a time, so that table and log can be
//! compared and the table can be made anew.

use std::collections::BTreeMap;

use crate::{Event, Id, Item, MemoryError, Operation, State};

/// The items as they stand after some events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    items: BTreeMap<Id, Item>,
}

impl Projection {
    /// Adds all events up, in their order.
    ///
    /// # Errors
    /// An event about an item that no event before it added, or one that adds an item twice.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, MemoryError> {
        let mut projection = Self::default();
        for event in events {
            projection.add(event)?;
        }
        Ok(projection)
    }

    /// Adds one event.
    ///
    /// # Errors
    /// As [`Projection::of`].
    pub fn add(&mut self, event: &Event) -> Result<(), MemoryError> {
        let changed = changed(event, |id| Ok(self.items.get(id).cloned()))?;
        let changed = changed.into_iter().map(|item| (item.id.clone(), item));
        self.items.extend(changed);
        Ok(())
    }

    /// All items, whatever became of them, in the order in which they were added.
    pub fn items(self) -> Vec<Item> {
        let mut items: Vec<_> = self.items.into_values().collect();
        items.sort_by_key(|item| item.first);
        items
    }
}

/// The items that an event makes or changes, as they stand after it.
pub(crate) fn changed(
    event: &Event,
    find: impl Fn(&Id) -> Result<Option<Item>, MemoryError>,
) -> Result<Vec<Item>, MemoryError> {
    let known = |id: &Id| {
        let mut item = find(id)?.ok_or_else(|| damaged(event, id, "was never added"))?;
        item.changed = event.at;
        item.last = event.seq;
        Ok(item)
    };
    let one = |item| Ok(vec![item]);
    match &event.operation {
        Operation::Add { id, item } => match find(id)? {
            Some(_) => Err(damaged(event, id, "was there already")),
            None => one(Item {
                id: id.clone(),
                content: item.clone(),
                pinned: false,
                state: State::Current,
                added: event.at,
                changed: event.at,
                first: event.seq,
                last: event.seq,
            }),
        },
        Operation::Edit { id, text, data } => {
            let mut item = known(id)?;
            if let Some(text) = text {
                item.content.text.clone_from(text);
            }
            if let Some(data) = data {
                item.content.data.clone_from(data);
            }
            one(item)
        }
        Operation::Remove { id, .. } => one(Item {
            state: State::Removed,
            ..known(id)?
        }),
        Operation::Vote { id, by } => {
            let mut item = known(id)?;
            item.content.votes = item.content.votes.saturating_add(*by);
            one(item)
        }
        Operation::Merge { from, into } => {
            let merged = |id| {
                Ok(Item {
                    state: State::MergedInto(into.clone()),
                    ..known(id)?
                })
            };
            from.iter().map(merged).collect()
        }
        Operation::Supersede { old, new } => one(Item {
            state: State::SupersededBy(new.clone()),
            ..known(old)?
        }),
        Operation::Pin { id, pinned } => one(Item {
            pinned: *pinned,
            ..known(id)?
        }),
    }
}

/// Every item that an event names, whether it changes or not: the event is part of their history.
pub(crate) fn named(operation: &Operation) -> Vec<&Id> {
    match operation {
        Operation::Add { id, .. }
        | Operation::Edit { id, .. }
        | Operation::Remove { id, .. }
        | Operation::Vote { id, .. }
        | Operation::Pin { id, .. } => vec![id],
        Operation::Merge { from, into } => from.iter().chain([into]).collect(),
        Operation::Supersede { old, new } => vec![old, new],
    }
}

fn damaged(event: &Event, id: &Id, problem: &str) -> MemoryError {
    MemoryError::Place {
        place: format!("event {}", event.seq),
        problem: format!("`{id}` {problem}; the log is damaged, restore a copy of the memory"),
    }
}
