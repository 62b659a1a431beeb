//! What a wish becomes: an entry for the log, nothing at all, or a sentence that says why not.

use serde_json::Value;

use super::{Change, naming};
use crate::{Draft, Id, Item, MemoryError, Operation, State, store::limits};

/// What to do about a change.
pub(super) enum Decision {
    /// Nothing: it is so already.
    Already(Id),
    /// This goes into the log; it is about this item.
    Write(Id, Box<Operation>),
    /// First the draft is to be added, then what was added supersedes `old`.
    Replace { old: Id, new: Box<Draft> },
}

/// The memory as it stands, as far as a decision needs it.
pub(super) trait Standing {
    /// An item, whatever became of it.
    fn find(&self, id: &Id) -> Result<Option<Item>, MemoryError>;

    /// The first current item with this content hash.
    fn same(&self, content_hash: &[u8; 32]) -> Result<Option<Id>, MemoryError>;

    /// The number that the next event gets.
    fn next(&self) -> u64;
}

/// Decides about one change.
pub(super) fn decide(memory: &impl Standing, change: Change) -> Result<Decision, MemoryError> {
    match change {
        Change::Add(draft) => add(memory, draft),
        Change::Edit { id, text, data } => edit(memory, id, text, data),
        Change::Remove { id, reason } => {
            limits::reason(&reason)?;
            current(memory, &id)?;
            write(&id, |id| Operation::Remove { id, reason })
        }
        Change::Vote { id, by } => {
            let item = current(memory, &id)?;
            if by == 0 {
                return Ok(Decision::Already(id));
            }
            if item.content.votes.checked_add(by).is_none() {
                return refused(format!(
                    "the votes of `{id}` would leave 64 bits; vote by less"
                ));
            }
            write(&id, |id| Operation::Vote { id, by })
        }
        Change::Merge { from, into } => merge(memory, from, into),
        Change::Supersede { old, new } => {
            if old == new {
                return refused(format!(
                    "`{old}` cannot supersede itself; name the newer item"
                ));
            }
            current(memory, &old)?;
            current(memory, &new)?;
            write(&old, |old| Operation::Supersede { old, new })
        }
        Change::Replace { old, new } => Ok(Decision::Replace {
            old,
            new: Box::new(new),
        }),
        Change::Pin { id, pinned } => match current(memory, &id)?.pinned == pinned {
            true => Ok(Decision::Already(id)),
            false => write(&id, |id| Operation::Pin { id, pinned }),
        },
    }
}

fn add(memory: &impl Standing, draft: Draft) -> Result<Decision, MemoryError> {
    limits::draft(&draft)?;
    if let Some(id) = memory.same(&naming::content_hash(&draft))? {
        return Ok(Decision::Already(id));
    }
    let mut id = naming::name(&draft, None);
    let mut salt = memory.next();
    while memory.find(&id)?.is_some() {
        id = naming::name(&draft, Some(salt));
        salt = salt.wrapping_add(1);
    }
    write(&id, |id| Operation::Add { id, item: draft })
}

fn edit(
    memory: &impl Standing,
    id: Id,
    text: Option<String>,
    data: Option<Value>,
) -> Result<Decision, MemoryError> {
    let item = current(memory, &id)?;
    let text = text.filter(|text| *text != item.content.text);
    let data = data.filter(|data| *data != item.content.data);
    if text.is_none() && data.is_none() {
        return Ok(Decision::Already(id));
    }
    text.as_deref().map(limits::text).transpose()?;
    data.as_ref().map(limits::data).transpose()?;
    write(&id, |id| Operation::Edit { id, text, data })
}

fn merge(memory: &impl Standing, from: Vec<Id>, into: Id) -> Result<Decision, MemoryError> {
    current(memory, &into)?;
    if from.is_empty() {
        return refused(format!(
            "nothing is named that `{into}` takes in; name at least one item"
        ));
    }
    for (place, id) in from.iter().enumerate() {
        if *id == into {
            return refused(format!(
                "`{id}` cannot be merged into itself; name another item"
            ));
        }
        if from[..place].contains(id) {
            return refused(format!("`{id}` is named twice in one merge; name it once"));
        }
        current(memory, id)?;
    }
    write(&into, |into| Operation::Merge { from, into })
}

/// The item, if it is there and nothing became of it yet.
fn current(memory: &impl Standing, id: &Id) -> Result<Item, MemoryError> {
    let item = memory
        .find(id)?
        .ok_or_else(|| MemoryError::Unknown(id.to_string()))?;
    match &item.state {
        State::Current => Ok(item),
        State::Removed => refused(format!(
            "`{id}` was removed by event {}; add its text again to have it back",
            item.last
        )),
        State::SupersededBy(new) => refused(format!(
            "`{id}` was superseded by `{new}` in event {}; change that one",
            item.last
        )),
        State::MergedInto(into) => refused(format!(
            "`{id}` was merged into `{into}` by event {}; change that one",
            item.last
        )),
    }
}

fn write(id: &Id, operation: impl FnOnce(Id) -> Operation) -> Result<Decision, MemoryError> {
    Ok(Decision::Write(id.clone(), Box::new(operation(id.clone()))))
}

fn refused<T>(problem: String) -> Result<T, MemoryError> {
    Err(MemoryError::Refused(problem))
}
