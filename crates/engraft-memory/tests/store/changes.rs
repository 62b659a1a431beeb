//! Every change: what it does, and what is refused.

use engraft_memory::{Change, Draft, Id, Kind, State, Store};
use serde_json::{Value, json};

use crate::memory::{Memory, edit, insight, remove};

#[test]
fn the_same_thing_again_changes_nothing_and_names_what_is_there() {
    let mut memory = Memory::new();
    let draft = Draft {
        scope: "django".into(),
        data: json!({"b": 1, "a": [2]}),
        ..insight("Run the failing test first.")
    };
    let first = memory.one(Change::Add(draft.clone())).unwrap();
    assert_eq!(first.seq, Some(1));
    let voted = Draft {
        votes: 9,
        data: json!({"a": [2], "b": 1}),
        ..draft
    };
    let again = memory.one(Change::Add(voted)).unwrap();
    assert_eq!((again.id, again.seq), (first.id, None));
    assert_eq!(memory.store.seq().unwrap(), 1);
}

#[test]
fn what_was_removed_or_reworded_comes_back_as_another_item() {
    let mut memory = Memory::new();
    let removed = memory.add("a");
    memory.one(remove(&removed)).unwrap();
    let again = memory.add("a");
    assert_ne!(removed, again);
    memory.one(edit(&again, "b")).unwrap();
    let third = memory.add("a");
    assert!(third != removed && third != again);
    // What now says b is there already, whatever its name came from.
    assert_eq!(memory.add("b"), again);
    memory.holds();
}

#[test]
fn an_edit_changes_what_it_names_and_data_can_become_null() {
    let mut memory = Memory::new();
    let draft = Draft {
        data: json!({"tries": 3}),
        ..insight("a")
    };
    let id = memory.one(Change::Add(draft)).unwrap().id;
    memory.one(edit(&id, "b")).unwrap();
    let item = memory.item(&id);
    assert_eq!(
        (item.content.text.as_str(), &item.content.data),
        ("b", &json!({"tries": 3}))
    );
    assert_eq!((item.first, item.last), (1, 2));
    let nothing = Change::Edit {
        id: id.clone(),
        text: None,
        data: Some(Value::Null),
    };
    assert_eq!(memory.one(nothing.clone()).unwrap().seq, Some(3));
    assert_eq!(memory.item(&id).content.data, Value::Null);
    assert_eq!(memory.one(nothing).unwrap().seq, None);
    memory.holds();
}

#[test]
fn votes_add_up_and_pins_stay_until_they_are_taken_off() {
    let mut memory = Memory::new();
    let id = memory.add("a");
    for by in [2, -5, 0] {
        memory.one(Change::Vote { id: id.clone(), by }).unwrap();
    }
    assert_eq!(memory.item(&id).content.votes, -3);
    let pin = |pinned| Change::Pin {
        id: id.clone(),
        pinned,
    };
    assert_eq!(memory.one(pin(true)).unwrap().seq, Some(4));
    assert_eq!(memory.one(pin(true)).unwrap().seq, None);
    assert!(memory.item(&id).pinned);
    memory.one(pin(false)).unwrap();
    assert!(!memory.item(&id).pinned);
    let most = Change::Vote {
        id: id.clone(),
        by: i64::MIN,
    };
    assert!(memory.refusal(most).contains("64 bits"));
}

#[test]
fn superseded_and_merged_items_keep_their_text_and_say_what_holds_now() {
    let mut memory = Memory::new();
    let [old, new, twin] = ["old", "new", "twin"].map(|text| memory.add(text));
    let supersede = Change::Supersede {
        old: old.clone(),
        new: new.clone(),
    };
    memory.one(supersede).unwrap();
    let merge = Change::Merge {
        from: vec![twin.clone()],
        into: new.clone(),
    };
    memory.one(merge).unwrap();
    assert_eq!(memory.item(&old).state, State::SupersededBy(new.clone()));
    assert_eq!(memory.item(&old).content.text, "old");
    assert_eq!(memory.item(&twin).state, State::MergedInto(new.clone()));
    assert_eq!(memory.item(&new).last, 2);
    let current = memory.store.items(&Default::default()).unwrap();
    assert_eq!(
        current.iter().map(|item| &item.id).collect::<Vec<_>>(),
        [&new]
    );
    assert!(
        memory
            .refusal(edit(&old, "x"))
            .contains(&format!("superseded by `{new}`"))
    );
    assert!(
        memory
            .refusal(edit(&twin, "x"))
            .contains(&format!("merged into `{new}`"))
    );
    memory.one(remove(&new)).unwrap();
    assert!(
        memory
            .refusal(edit(&new, "x"))
            .contains("removed by event 6")
    );
    memory.holds();
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let mut memory = Memory::new();
    let [a, b] = ["a", "b"].map(|text| memory.add(text));
    let nobody = Id("insight-00000000".into());
    assert!(
        memory
            .refusal(edit(&nobody, "x"))
            .contains("`insight-00000000`")
    );
    let supersede = |old: &Id, new: &Id| Change::Supersede {
        old: old.clone(),
        new: new.clone(),
    };
    assert!(memory.refusal(supersede(&a, &a)).contains("itself"));
    assert!(memory.refusal(supersede(&a, &nobody)).contains("no item"));
    let merge = |from: &[&Id]| Change::Merge {
        from: from.iter().map(|id| (*id).clone()).collect(),
        into: b.clone(),
    };
    assert!(memory.refusal(merge(&[])).contains("at least one"));
    assert!(memory.refusal(merge(&[&b])).contains("itself"));
    assert!(memory.refusal(merge(&[&a, &a])).contains("twice"));
}

#[test]
fn texts_that_nobody_could_read_are_refused() {
    let mut memory = Memory::new();
    let id = memory.add("a");
    for (text, said) in [
        (" \n\t".to_owned(), "empty"),
        ("a\0b".to_owned(), "NUL"),
        ("x".repeat((1 << 20) + 1), "1048577 bytes"),
    ] {
        assert!(memory.refusal(Change::Add(insight(&text))).contains(said));
        assert!(memory.refusal(edit(&id, &text)).contains(said));
    }
    memory.add(&"x".repeat(1 << 20));
    let scoped = Draft {
        scope: "two\nlines".into(),
        ..insight("a")
    };
    assert!(memory.refusal(Change::Add(scoped)).contains("the scope"));
    for (levels, kept) in [(64, true), (65, false), (1000, false)] {
        let deep = (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let draft = Draft {
            data: deep.clone(),
            ..insight("deep")
        };
        match kept {
            true => {
                let id = memory.one(Change::Add(draft)).unwrap().id;
                assert_eq!(memory.item(&id).content.data, deep);
                assert_eq!(memory.store.history(&id).unwrap().len(), 1);
            }
            false => assert!(memory.refusal(Change::Add(draft)).contains("deeper")),
        }
    }
}

#[test]
fn several_changes_happen_all_or_not_at_all() {
    let mut memory = Memory::new();
    let id = memory.add("a");
    let bad = vec![
        Change::Add(insight("b")),
        edit(&id, "c"),
        remove(&Id("note-zzzzzzzz".into())),
    ];
    memory.store.apply("test", bad).unwrap_err();
    assert_eq!(memory.store.seq().unwrap(), 1);
    assert_eq!(memory.item(&id).content.text, "a");
    let good = vec![
        Change::Add(insight("b")),
        Change::Add(insight("b")),
        edit(&id, "c"),
    ];
    let applied = memory.store.apply("test", good).unwrap();
    let numbers: Vec<_> = applied.iter().map(|applied| applied.seq).collect();
    assert_eq!(numbers, [Some(2), None, Some(3)]);
    assert!(memory.store.apply("", Vec::new()).is_err());
    memory.holds();
}

#[test]
fn a_filter_means_what_it_names() {
    let mut memory = Memory::new();
    let draft = |kind, scope: &str, happened: Option<&str>| Draft {
        scope: scope.into(),
        happened: happened.map(|time| time.parse().unwrap()),
        ..Draft::new(kind, format!("{kind:?} {scope} {happened:?}"))
    };
    let drafts = [
        draft(Kind::Episode, "django", Some("2020-01-01T00:00:00Z")),
        draft(Kind::Episode, "django", Some("2024-01-01T00:00:00Z")),
        draft(Kind::Episode, "flask", None),
        draft(Kind::Note, "django", None),
    ];
    memory
        .store
        .apply("test", drafts.map(Change::Add).into())
        .unwrap();
    let count = |filter: engraft_memory::Filter| memory.store.items(&filter).unwrap().len();
    let django = engraft_memory::Filter {
        kind: Some(Kind::Episode),
        scope: Some("django".into()),
        ..Default::default()
    };
    assert_eq!(count(django.clone()), 2);
    let before = |time: &str| engraft_memory::Filter {
        before: Some(time.parse().unwrap()),
        ..django.clone()
    };
    assert_eq!(count(before("2024-01-01T00:00:00Z")), 1);
    assert_eq!(count(before("2024-01-01T00:00:00.001Z")), 2);
    assert_eq!(
        count(engraft_memory::Filter {
            role: Some("coder".into()),
            ..Default::default()
        }),
        0
    );
}

#[test]
fn a_replacement_is_added_and_supersedes_in_one_step_or_not_at_all() {
    let mut memory = Memory::new();
    let tabs = memory.add("Indent by tabs.");
    let replace = |old: &Id, text: &str| Change::Replace {
        old: old.clone(),
        new: insight(text),
    };
    let spaces = memory.one(replace(&tabs, "Indent by spaces.")).unwrap();
    assert_eq!(spaces.seq, Some(2));
    assert_eq!(
        memory.item(&tabs).state,
        State::SupersededBy(spaces.id.clone())
    );
    assert_eq!(memory.store.seq().unwrap(), 3);

    // Again: nothing. The other way round: under another name, as the first one is taken.
    let again = memory.one(replace(&tabs, "Indent by spaces.")).unwrap();
    assert_eq!((&again.id, again.seq), (&spaces.id, None));
    let back = memory.one(replace(&spaces.id, "Indent by tabs.")).unwrap();
    assert_ne!(back.id, tabs);
    let itself = memory.one(replace(&back.id, "Indent by tabs.")).unwrap();
    assert_eq!((itself.id, itself.seq), (back.id, None));
    assert_eq!(memory.store.seq().unwrap(), 5);

    // What cannot be superseded leaves no new item behind.
    assert!(memory.refusal(replace(&tabs, "c")).contains("superseded"));
    let nobody = Id("insight-00000000".into());
    assert!(memory.refusal(replace(&nobody, "c")).contains("no item"));
    memory.holds();
}
