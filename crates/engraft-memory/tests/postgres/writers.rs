//! Several programs write at once: nothing acknowledged is lost, and the log has no gaps.

use std::{collections::BTreeSet, thread};

use engraft_memory::{Change, Id, PostgresStore, Store};

use crate::{
    memory::{Memory, everything, insight},
    place::Place,
};

/// Adds items one by one over a connection of its own; gives the names that were acknowledged.
fn write(place: &Place, name: usize, adds: usize) -> Vec<Id> {
    let mut store = place.open();
    let mut add = |at| {
        let change = Change::Add(insight(&format!("writer {name} item {at}")));
        let applied = store
            .apply(&format!("writer {name}"), vec![change])
            .unwrap();
        applied[0].id.clone()
    };
    (0..adds).map(&mut add).collect()
}

#[test]
fn four_writers_at_once_lose_nothing_and_leave_no_gaps() {
    let memory = Memory::new();
    let told: Vec<Id> = thread::scope(|scope| {
        let place = &memory.place;
        let start = |name| scope.spawn(move || write(place, name, 100));
        let writers: Vec<_> = (0..4).map(start).collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    let items = memory.store.items(&everything()).unwrap();
    let there: BTreeSet<Id> = items.into_iter().map(|item| item.id).collect();
    assert_eq!((told.len(), there.len()), (400, 400));
    assert!(told.iter().all(|id| there.contains(id)));
    let events = memory.store.events(0, usize::MAX).unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=400).collect::<Vec<_>>());
    memory.holds();
}

#[test]
fn writers_of_the_same_thing_agree_on_one_item() {
    let memory = Memory::new();
    let place = &memory.place;
    let told: BTreeSet<Id> = thread::scope(|scope| {
        let add = move || {
            let change = Change::Add(insight("Said by everybody."));
            let applied = place.open().apply("test", vec![change]).unwrap();
            applied[0].id.clone()
        };
        let start = |_| scope.spawn(add);
        let writers: Vec<_> = (0..4).map(start).collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    });
    assert_eq!((told.len(), memory.store.seq().unwrap()), (1, 1));
}

#[test]
fn four_programs_that_make_the_same_memory_share_it() {
    let place = Place::new();
    thread::scope(|scope| {
        let place = &place;
        let start = |name| scope.spawn(move || write(place, name, 5));
        let writers: Vec<_> = (0..4).map(start).collect();
        assert!(
            writers
                .into_iter()
                .all(|writer| writer.join().unwrap().len() == 5)
        );
    });
    let store = PostgresStore::open_existing(&place.address()).unwrap();
    assert_eq!(store.seq().unwrap(), 20);
}

#[test]
fn a_writer_that_never_ends_is_named_after_a_while_and_readers_do_not_wait() {
    let mut memory = Memory::new();
    memory.add("a");
    let mut other = memory.place.client();
    let mut held = other.transaction().unwrap();
    held.batch_execute("SELECT pg_advisory_xact_lock(x'456e677261667421'::bigint)")
        .unwrap();
    assert_eq!(memory.store.items(&everything()).unwrap().len(), 1);
    let said = memory
        .one(Change::Add(insight("b")))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("another program has been using it for 20 seconds"),
        "{said}"
    );
    held.rollback().unwrap();
    memory.add("b");
    memory.holds();
}
