//! A memory that is at a place of its own, and short words for what tests do with one.

use engraft_memory::{Applied, Change, Draft, Filter, Id, Item, Kind, MemoryError, Store};

use crate::place::{Kept, Place};

pub struct Memory {
    pub store: Kept,
    pub place: Place,
}

impl Memory {
    pub fn new() -> Self {
        let place = Place::new();
        Self {
            store: place.open(),
            place,
        }
    }

    pub fn add(&mut self, text: &str) -> Id {
        self.one(Change::Add(insight(text))).unwrap().id
    }

    pub fn one(&mut self, change: Change) -> Result<Applied, MemoryError> {
        let mut applied = self.store.apply("test", vec![change])?;
        assert_eq!(applied.len(), 1);
        Ok(applied.remove(0))
    }

    pub fn item(&self, id: &Id) -> Item {
        self.store.get(id).unwrap().unwrap()
    }

    /// What it says when it refuses a change.
    pub fn refusal(&mut self, change: Change) -> String {
        let before = self.store.seq().unwrap();
        let error = self.one(change).unwrap_err().to_string();
        assert_eq!(self.store.seq().unwrap(), before);
        error
    }

    /// Nothing is wrong with it.
    pub fn holds(&self) {
        assert_eq!(self.store.check().unwrap(), Vec::<String>::new());
    }
}

pub fn insight(text: &str) -> Draft {
    Draft::new(Kind::Insight, text)
}

pub fn edit(id: &Id, text: &str) -> Change {
    Change::Edit {
        id: id.clone(),
        text: Some(text.to_owned()),
        data: None,
    }
}

pub fn remove(id: &Id) -> Change {
    Change::Remove {
        id: id.clone(),
        reason: "no longer so".to_owned(),
    }
}

pub fn everything() -> Filter {
    Filter {
        all_states: true,
        ..Filter::default()
    }
}
