//! Words that have to go for good: what is left of an item and of its events without them.

use serde_json::Value;

use super::{
    PURGED,
    writing::{self, Ledger},
};
use crate::{Id, Item, MemoryError, Operation, State};

/// Takes an item's words out of the log and the items; it counts as removed afterwards. What was taken
/// out already is taken out again, which changes nothing. Gives what is left of the item.
pub(super) fn redact(ledger: &mut impl Ledger, id: &Id) -> Result<Item, MemoryError> {
    let item = there(ledger, id)?;
    if item.state == State::Current {
        let operation = Operation::Remove {
            id: id.clone(),
            reason: PURGED.to_owned(),
        };
        writing::record(ledger, "purge", operation)?;
    }
    for mut event in ledger.about(item.first)? {
        empty(&mut event.operation, id);
        ledger.redact(&event)?;
    }
    let mut item = there(ledger, id)?;
    item.content.text = PURGED.to_owned();
    item.content.data = Value::Null;
    ledger.replace(&item)?;
    Ok(item)
}

fn there(ledger: &impl Ledger, id: &Id) -> Result<Item, MemoryError> {
    let item = ledger.find(id)?;
    item.ok_or_else(|| MemoryError::Unknown(id.to_string()))
}

/// Takes the words about one item out of an operation.
fn empty(operation: &mut Operation, purged: &Id) {
    match operation {
        Operation::Add { id, item } if id == purged => {
            item.text = PURGED.to_owned();
            item.data = Value::Null;
        }
        Operation::Edit { id, text, data } if id == purged => {
            *text = text.take().map(|_| PURGED.to_owned());
            *data = data.take().map(|_| Value::Null);
        }
        Operation::Remove { id, reason } if id == purged => *reason = PURGED.to_owned(),
        _ => {}
    }
}
