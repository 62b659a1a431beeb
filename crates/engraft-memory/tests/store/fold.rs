//! Whatever is done to a memory, its table of items is what its log adds up to.

use engraft_memory::{Change, Draft, Event, Id, Item, Kind, Store, store::Projection};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::memory::{Memory, everything};

/// A step, with items named by how many were added before.
#[derive(Clone, Debug)]
enum Step {
    Add(Kind, u8, i64),
    Edit(usize, u8, Option<u8>),
    Remove(usize),
    Vote(usize, i64),
    Merge(Vec<usize>, usize),
    Supersede(usize, usize),
    Pin(usize, bool),
    Purge(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let item = || 0..12usize;
    let kind = prop::sample::select(Kind::ALL.to_vec());
    prop_oneof![
        4 => (kind, 0..6u8, -2..3i64).prop_map(|(kind, text, votes)| Step::Add(kind, text, votes)),
        3 => (item(), 0..6u8, prop::option::of(0..3u8))
            .prop_map(|(item, text, data)| Step::Edit(item, text, data)),
        1 => item().prop_map(Step::Remove),
        2 => (item(), -3..4i64).prop_map(|(item, by)| Step::Vote(item, by)),
        1 => (prop::collection::vec(item(), 0..3), item())
            .prop_map(|(from, into)| Step::Merge(from, into)),
        1 => (item(), item()).prop_map(|(old, new)| Step::Supersede(old, new)),
        1 => (item(), any::<bool>()).prop_map(|(item, pinned)| Step::Pin(item, pinned)),
        1 => item().prop_map(Step::Purge),
    ]
}

fn data(choice: u8) -> Value {
    match choice {
        0 => Value::Null,
        1 => json!({"z": 1, "a": [0.1, -0.0, 1e300, "x\u{0}"]}),
        _ => json!([choice]),
    }
}

fn change(step: Step, ids: &[Id]) -> Option<Change> {
    let id = |at: usize| ids.get(at).cloned();
    Some(match step {
        Step::Add(kind, text, votes) => Change::Add(Draft {
            data: data(text % 3),
            happened: (text == 4).then(|| "2020-02-02T02:02:02.123456789Z".parse().unwrap()),
            votes,
            ..Draft::new(kind, format!("text {text}\n"))
        }),
        Step::Edit(item, text, choice) => Change::Edit {
            id: id(item)?,
            text: (text > 0).then(|| format!("text {text}\n")),
            data: choice.map(data),
        },
        Step::Remove(item) => Change::Remove {
            id: id(item)?,
            reason: String::new(),
        },
        Step::Vote(item, by) => Change::Vote { id: id(item)?, by },
        Step::Merge(from, into) => Change::Merge {
            from: from.into_iter().map(id).collect::<Option<_>>()?,
            into: id(into)?,
        },
        Step::Supersede(old, new) => Change::Supersede {
            old: id(old)?,
            new: id(new)?,
        },
        Step::Pin(item, pinned) => Change::Pin {
            id: id(item)?,
            pinned,
        },
        Step::Purge(_) => return None,
    })
}

fn fold(events: &[Event]) -> Vec<Item> {
    Projection::of(events).unwrap().items()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_items_are_what_the_log_adds_up_to(steps in prop::collection::vec(step(), 1..40)) {
        let mut memory = Memory::new();
        let mut ids = Vec::new();
        // What the items were after each event, as they were read then; purges rewrite the past.
        let mut past: Vec<Vec<Item>> = vec![Vec::new()];
        for step in steps {
            if let Step::Purge(at) = step {
                if let Some(id) = ids.get(at) {
                    memory.store.purge(id).unwrap();
                    let seq = memory.store.seq().unwrap();
                    let snapshot = |seq| memory.store.snapshot(seq, &everything()).unwrap();
                    past = (0..=seq).map(snapshot).collect();
                    for items in &past {
                        let purged = items.iter().filter(|item| item.id == *id);
                        prop_assert!(purged.clone().all(|item| item.content.text == "[purged]"));
                    }
                }
            } else if let Some(change) = change(step, &ids) {
                let new = matches!(change, Change::Add(_));
                // A refused change must leave no trace, like one that does nothing.
                if let Ok(applied) = memory.one(change)
                    && applied.seq.is_some()
                {
                    past.push(memory.store.items(&everything()).unwrap());
                    if new {
                        prop_assert!(!ids.contains(&applied.id), "a name was used again");
                        ids.push(applied.id);
                    }
                }
            }
            prop_assert_eq!(memory.store.seq().unwrap() as usize + 1, past.len());
        }

        let events = memory.store.events(0, usize::MAX).unwrap();
        let items = memory.store.items(&everything()).unwrap();
        prop_assert_eq!(&fold(&events), &items);
        prop_assert_eq!(memory.store.check().unwrap(), Vec::<String>::new());
        for (seq, then) in past.iter().enumerate() {
            prop_assert_eq!(&memory.store.snapshot(seq as u64, &everything()).unwrap(), then);
        }
        for item in &items {
            let history = memory.store.history(&item.id).unwrap();
            let named = |event: &&Event| format!("{:?}", event.operation).contains(&item.id.0);
            let wanted: Vec<_> = events.iter().filter(named).cloned().collect();
            prop_assert_eq!(history, wanted);
        }

        memory.store = memory.place.open();
        prop_assert_eq!(&memory.store.items(&everything()).unwrap(), &items);
        memory.store.rebuild().unwrap();
        prop_assert_eq!(&memory.store.items(&everything()).unwrap(), &items);
        prop_assert_eq!(memory.store.check().unwrap(), Vec::<String>::new());
    }
}
