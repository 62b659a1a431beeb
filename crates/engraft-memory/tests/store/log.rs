//! The log: histories, snapshots, and names that stay.

use engraft_memory::{Change, Event, Operation, Store};
use serde_json::{Value, json};

use crate::memory::{Memory, edit, everything, insight, remove};

#[test]
fn a_history_holds_every_event_that_names_the_item() {
    let mut memory = Memory::new();
    let [a, b, c] = ["a", "b", "c"].map(|text| memory.add(text));
    memory.one(edit(&b, "bb")).unwrap();
    let merge = Change::Merge {
        from: vec![a.clone(), b.clone()],
        into: c.clone(),
    };
    memory.one(merge).unwrap();
    let numbers = |id| {
        let history = memory.store.history(id).unwrap();
        history.iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(
        (numbers(&a), numbers(&b), numbers(&c)),
        (vec![1, 5], vec![2, 4, 5], vec![3, 5])
    );
    let events = memory.store.events(1, 2).unwrap();
    assert_eq!(
        events.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(memory.store.events(5, 10).unwrap(), []);
    assert!(
        memory
            .store
            .events(0, 9)
            .unwrap()
            .iter()
            .all(|event| event.by == "test")
    );
}

#[test]
fn a_snapshot_is_what_the_items_were_then() {
    let mut memory = Memory::new();
    let a = memory.add("a");
    let then = memory.store.items(&everything()).unwrap();
    memory.one(edit(&a, "b")).unwrap();
    memory.one(remove(&a)).unwrap();
    assert_eq!(memory.store.snapshot(1, &everything()).unwrap(), then);
    assert_eq!(memory.store.snapshot(0, &everything()).unwrap(), []);
    assert_eq!(memory.store.snapshot(3, &Default::default()).unwrap(), []);
    assert!(
        memory
            .store
            .snapshot(4, &everything())
            .unwrap_err()
            .to_string()
            .contains("the last one is 3")
    );
}

#[test]
fn an_edit_to_null_is_still_one_after_it_was_written_and_read() {
    let mut memory = Memory::new();
    let id = memory.add("a");
    for data in [Some(Value::Null), Some(json!({"x": [1.5, "y"]})), None] {
        let event = Event {
            seq: 1,
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            by: "anna".into(),
            operation: Operation::Edit {
                id: id.clone(),
                text: None,
                data,
            },
        };
        let written = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&written).unwrap(), event);
    }
    let added = &memory.store.events(0, 1).unwrap()[0];
    let written = serde_json::to_string(added).unwrap();
    assert_eq!(&serde_json::from_str::<Event>(&written).unwrap(), added);
    assert!(written.contains(r#""op":"add""#), "{written}");
}

#[test]
fn the_log_cannot_be_cut_or_renumbered() {
    let mut memory = Memory::new();
    memory.add("a");
    for attack in [
        "DELETE FROM events",
        "UPDATE events SET seq = 9",
        "UPDATE events SET by = 'x'",
    ] {
        let error = memory.place.attack(attack).unwrap_err();
        assert!(error.contains("only grows"), "{error}");
    }
}

#[test]
fn a_check_finds_what_is_not_as_the_log_says_and_a_rebuild_mends_it() {
    for (attack, said) in [
        (
            "UPDATE items SET votes = 7 WHERE first = 1",
            "not what the log says",
        ),
        ("DELETE FROM items WHERE first = 2", "not among the items"),
        ("DELETE FROM mentions", "histories"),
        (
            "UPDATE items SET text = 'other' WHERE first = 1",
            "index of words",
        ),
    ] {
        let mut memory = Memory::new();
        memory
            .store
            .apply(
                "test",
                ["a", "b"].map(|text| Change::Add(insight(text))).into(),
            )
            .unwrap();
        let before = memory.store.items(&everything()).unwrap();
        memory.place.attack(attack).unwrap();
        let found = memory.store.check().unwrap().join("\n");
        assert!(found.contains(said), "{attack}: {found}");
        memory.store.rebuild().unwrap();
        memory.holds();
        assert_eq!(memory.store.items(&everything()).unwrap(), before);
        assert_eq!(memory.store.words("b", &everything(), 9).unwrap().len(), 1);
    }
}
