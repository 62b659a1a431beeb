//! From a file into a store: what a person changed in it becomes changes of the memory.

use std::collections::{HashMap, HashSet};

use super::entry::Entry;
use crate::{
    Change, Filter, Id, Item, MemoryError, State, Store,
    store::{PURGED, naming},
};

/// How entries are taken into a store.
#[derive(Clone, Copy, Debug)]
pub struct Importer<'a> {
    /// Who does it.
    pub by: &'a str,
    /// Current items that this filter admits and no entry names are removed; without it, nothing is.
    pub remove_missing: Option<&'a Filter>,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub added: Vec<Id>,
    pub edited: Vec<Id>,
    pub voted: Vec<Id>,
    pub pinned: Vec<Id>,
    pub removed: Vec<Id>,
    /// Entries of items that are no longer current: they stay so.
    pub gone: Vec<Id>,
}

impl Importer<'_> {
    /// Takes entries in, all or none, in one transaction. Pins of new items follow in a second one, because
    /// their names are known only then; taking the same entries in again makes up for a crash in between.
    ///
    /// # Errors
    /// An entry that changes what cannot be changed, or that the store refuses. Nothing is changed then.
    pub fn import(
        &self,
        store: &mut dyn Store,
        entries: &[Entry],
    ) -> Result<Imported, MemoryError> {
        let mut plan = Plan::new(store)?;
        for entry in entries {
            plan.take(entry)?;
        }
        if let Some(filter) = self.remove_missing {
            plan.remove_missing(filter);
        }
        let (changes, whats): (Vec<_>, Vec<_>) = plan.changes.into_iter().unzip();
        let mut imported = Imported {
            gone: plan.gone,
            ..Imported::default()
        };
        let mut pins = Vec::new();
        for (applied, what) in store.apply(self.by, changes)?.into_iter().zip(whats) {
            let list = match what {
                What::Add { pinned } => {
                    if pinned {
                        pins.push(Change::Pin {
                            id: applied.id.clone(),
                            pinned,
                        });
                    }
                    &mut imported.added
                }
                What::Edit => &mut imported.edited,
                What::Vote => &mut imported.voted,
                What::Pin => &mut imported.pinned,
                What::Remove => &mut imported.removed,
            };
            if applied.seq.is_some() {
                list.push(applied.id);
            }
        }
        if !pins.is_empty() {
            let pinned = store.apply(self.by, pins)?.into_iter();
            let pinned = pinned.filter(|applied| applied.seq.is_some());
            imported.pinned.extend(pinned.map(|applied| applied.id));
        }
        Ok(imported)
    }
}

/// Why a change is made.
enum What {
    Add { pinned: bool },
    Edit,
    Vote,
    Pin,
    Remove,
}

/// The changes that entries ask for, given the items that are there.
struct Plan {
    items: Vec<Item>,
    places: HashMap<Id, usize>,
    /// Current items by what they say.
    contents: HashMap<[u8; 32], Id>,
    /// Items that an entry names, or says the same as.
    named: HashSet<Id>,
    changes: Vec<(Change, What)>,
    gone: Vec<Id>,
}

impl Plan {
    fn new(store: &dyn Store) -> Result<Self, MemoryError> {
        let items = store.items(&Filter {
            all_states: true,
            ..Filter::default()
        })?;
        let places = items.iter().enumerate();
        let current = items.iter().filter(|item| item.state == State::Current);
        let content = |item: &Item| (naming::content_hash(&item.content), item.id.clone());
        Ok(Self {
            places: places.map(|(at, item)| (item.id.clone(), at)).collect(),
            contents: current.map(content).collect(),
            items,
            named: HashSet::new(),
            changes: Vec::new(),
            gone: Vec::new(),
        })
    }

    fn take(&mut self, entry: &Entry) -> Result<(), MemoryError> {
        let Some(id) = &entry.id else {
            self.add(entry);
            return Ok(());
        };
        if !self.named.insert(id.clone()) {
            return Err(entry.wrong(format!(
                "`{id}` stands here a second time; delete one of them"
            )));
        }
        match self.places.get(id) {
            // From another memory, where it had this name.
            None => self.add(entry),
            Some(&place) => self.compare(entry, place)?,
        }
        Ok(())
    }

    fn add(&mut self, entry: &Entry) {
        let there = self.contents.get(&naming::content_hash(&entry.content));
        self.named.extend(there.cloned());
        let what = What::Add {
            pinned: entry.pinned,
        };
        self.changes
            .push((Change::Add(entry.content.clone()), what));
    }

    fn compare(&mut self, entry: &Entry, place: usize) -> Result<(), MemoryError> {
        let item = &self.items[place];
        let (id, here, there) = (&item.id, &entry.content, &item.content);
        let text = (here.text != there.text).then(|| here.text.clone());
        let data = (here.data != there.data).then(|| here.data.clone());
        let edited = text.is_some() || data.is_some();
        if item.state != State::Current {
            if edited && there.text != PURGED {
                let help = "give it back the words it had, or write it as a new one";
                return Err(entry.wrong(format!("`{id}` is no longer current; {help}")));
            }
            self.gone.push(id.clone());
            return Ok(());
        }
        if let Some(what) = entry.fixed_difference(item) {
            return Err(entry.wrong(format!(
                "the {what} of `{id}` is another one in the memory and cannot be edited; restore it, or \
                 write the item as a new one"
            )));
        }
        if edited {
            let id = id.clone();
            self.changes
                .push((Change::Edit { id, text, data }, What::Edit));
        }
        if here.votes != there.votes {
            let by = here.votes.checked_sub(there.votes);
            let by = by.ok_or_else(|| entry.wrong("the votes differ by more than 64 bits"))?;
            let id = id.clone();
            self.changes.push((Change::Vote { id, by }, What::Vote));
        }
        if entry.pinned != item.pinned {
            let (id, pinned) = (id.clone(), entry.pinned);
            self.changes.push((Change::Pin { id, pinned }, What::Pin));
        }
        Ok(())
    }

    fn remove_missing(&mut self, filter: &Filter) {
        let missing = self.items.iter().filter(|item| {
            item.state == State::Current && filter.admits(item) && !self.named.contains(&item.id)
        });
        let remove = |item: &Item| {
            let (id, reason) = (item.id.clone(), "no longer in the files".to_owned());
            (Change::Remove { id, reason }, What::Remove)
        };
        self.changes.extend(missing.map(remove));
    }
}
