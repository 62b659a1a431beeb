//! How changes are written, whatever keeps the memory: decided on one by one, in a transaction that holds
//! the log and the items together.

use jiff::Timestamp;

use super::{
    Applied, Change,
    decision::{Decision, Standing, decide},
    limits, projection,
};
use crate::{Draft, Event, Id, Item, MemoryError, Operation, State};

/// A transaction that nobody else writes beside. Given up before its end, it leaves no trace.
pub(super) trait Ledger: Standing {
    /// When the transaction began: all of its events happened then.
    fn at(&self) -> Timestamp;

    /// Puts an event at the end of the log.
    fn append(&mut self, event: &Event) -> Result<(), MemoryError>;

    /// Adds an item that is new.
    fn insert(&mut self, item: &Item) -> Result<(), MemoryError>;

    /// Writes an item over what it was before.
    fn replace(&mut self, item: &Item) -> Result<(), MemoryError>;

    /// Notes that an item's history has an event.
    fn mention(&mut self, id: &Id, event: &Event) -> Result<(), MemoryError>;

    /// The events that name an item, given by the number of the event that added it.
    fn about(&self, first: u64) -> Result<Vec<Event>, MemoryError>;

    /// Writes what is left of an event whose words were taken out.
    fn redact(&mut self, event: &Event) -> Result<(), MemoryError>;
}

/// Now, in whole milliseconds: what people read stays short.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Refuses a change that nobody answers for.
pub(super) fn answered_for(by: &str) -> Result<(), MemoryError> {
    limits::line("the name of who changes the memory", by)?;
    match by.is_empty() {
        true => Err(MemoryError::Refused(
            "nobody is named who changes the memory; name the person, program or run".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Does all changes, in their order. After an error the transaction is to be given up.
pub(super) fn all(
    ledger: &mut impl Ledger,
    by: &str,
    changes: Vec<Change>,
) -> Result<Vec<Applied>, MemoryError> {
    let changes = changes.into_iter();
    changes.map(|change| one(ledger, by, change)).collect()
}

fn one(ledger: &mut impl Ledger, by: &str, change: Change) -> Result<Applied, MemoryError> {
    match decide(ledger, change)? {
        Decision::Already(id) => Ok(Applied { id, seq: None }),
        Decision::Write(id, operation) => {
            let seq = Some(record(ledger, by, *operation)?);
            Ok(Applied { id, seq })
        }
        Decision::Replace { old, new } => replace(ledger, by, old, *new),
    }
}

/// Only the store knows what the new item is called, so both steps are taken here.
fn replace(
    ledger: &mut impl Ledger,
    by: &str,
    old: Id,
    new: Draft,
) -> Result<Applied, MemoryError> {
    let added = one(ledger, by, Change::Add(new))?;
    let done = State::SupersededBy(added.id.clone());
    let state = ledger.find(&old)?.map(|item| item.state);
    if added.id != old && state != Some(done) {
        let new = added.id.clone();
        one(ledger, by, Change::Supersede { old, new })?;
    }
    Ok(added)
}

/// Puts an event into the log and its effect into the items; gives its number.
pub(super) fn record(
    ledger: &mut impl Ledger,
    by: &str,
    operation: Operation,
) -> Result<u64, MemoryError> {
    let event = Event {
        seq: ledger.next(),
        at: ledger.at(),
        by: by.to_owned(),
        operation,
    };
    let items = projection::changed(&event, |id| ledger.find(id))?;
    ledger.append(&event)?;
    for item in &items {
        match item.first == event.seq {
            true => ledger.insert(item)?,
            false => ledger.replace(item)?,
        }
    }
    mention(ledger, &event)?;
    Ok(event.seq)
}

/// Writes items, and the histories that events are, into tables that are empty.
pub(super) fn refill(
    ledger: &mut impl Ledger,
    events: &[Event],
    items: &[Item],
) -> Result<(), MemoryError> {
    for item in items {
        ledger.insert(item)?;
    }
    events.iter().try_for_each(|event| mention(ledger, event))
}

/// Notes which items an event names, so that each has its history.
fn mention(ledger: &mut impl Ledger, event: &Event) -> Result<(), MemoryError> {
    let mut named = projection::named(&event.operation).into_iter();
    named.try_for_each(|id| ledger.mention(id, event))
}
