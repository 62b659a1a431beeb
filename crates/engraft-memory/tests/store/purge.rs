//! Purged words are nowhere: not in answers, not in the log, not in the bytes of files.

use engraft_memory::{Change, Draft, Operation, State, Store, store::PURGED};
use serde_json::json;

use crate::{
    memory::{Memory, edit, everything, insight, remove},
    place::Place,
};

/// The files of a memory that hold these words, whatever the case of letters.
fn holding(place: &Place, words: &str) -> Vec<String> {
    holding_bytes(place, words.to_lowercase().as_bytes())
}

/// The files of a memory that hold these bytes, with letters made small.
fn holding_bytes(place: &Place, wanted: &[u8]) -> Vec<String> {
    let holds = |bytes: &[u8]| {
        let bytes = bytes.to_ascii_lowercase();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    };
    let files = place.files().into_iter();
    let holding = files.filter(|(_, bytes)| holds(bytes));
    holding.map(|(name, _)| name).collect()
}

#[test]
fn purged_words_leave_the_files_bytes() {
    let mut memory = Memory::new();
    for at in 0..300 {
        memory.add(&format!(
            "Filler {at} {}",
            "so that pages split ".repeat(at % 40)
        ));
    }
    let draft = Draft {
        data: json!({"token": "hunter2000"}),
        ..insight("The password is Xylophonium.")
    };
    let id = memory.one(Change::Add(draft)).unwrap().id;
    memory
        .one(edit(&id, "The passphrase is Quetzalcoatlus."))
        .unwrap();
    let vector = (
        id.clone(),
        "The passphrase is Quetzalcoatlus.".to_owned(),
        vec![0.7182817; 7],
    );
    memory.store.keep_vectors("m", &[vector]).unwrap();
    for at in 0..300 {
        memory.add(&format!(
            "More filler {at} {}",
            "so that pages split ".repeat(at % 40)
        ));
    }
    let number = 0.7182817f32.to_le_bytes();
    let vector = [number, number].concat().to_ascii_lowercase();
    assert!(!holding_bytes(&memory.place, &vector).is_empty());
    let secrets = ["xylophonium", "quetzalcoatlus", "hunter2000"];
    for secret in secrets {
        assert!(
            !holding(&memory.place, secret).is_empty(),
            "{secret} was never there"
        );
    }

    // Another program that has the memory open, but reads nothing at the moment, is not in the way.
    let other = memory.place.open();
    assert_eq!(other.seq().unwrap(), 602);
    memory.store.purge(&id).unwrap();
    assert_eq!(other.seq().unwrap(), 603);
    for secret in secrets {
        assert_eq!(
            holding(&memory.place, secret),
            Vec::<String>::new(),
            "{secret}"
        );
    }
    assert_eq!(holding_bytes(&memory.place, &vector), Vec::<String>::new());
    memory.holds();
    memory.store.purge(&id).unwrap();
    memory.holds();
}

#[test]
fn words_that_an_edit_left_in_unused_bytes_of_the_file_go_too() {
    let mut memory = Memory::new();
    let id = memory.add(&"Xylophonium ".repeat(100));
    memory.one(edit(&id, "short")).unwrap();
    memory.store.purge(&id).unwrap();
    assert_eq!(holding(&memory.place, "xylophonium"), Vec::<String>::new());
}

#[test]
fn the_name_and_the_place_in_the_log_of_what_was_purged_stay() {
    let mut memory = Memory::new();
    let id = memory.add("secret");
    memory.one(edit(&id, "secret too")).unwrap();
    let other = memory.add("other");
    memory.store.purge(&id).unwrap();
    let item = memory.item(&id);
    assert_eq!(
        (item.content.text.as_str(), &item.state),
        (PURGED, &State::Removed)
    );
    let history = memory.store.history(&id).unwrap();
    assert_eq!(
        history.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [1, 2, 4]
    );
    assert!(!format!("{history:?}").contains("secret"));
    assert!(matches!(&history[0].operation, Operation::Add { id: named, .. } if *named == id));
    let then = memory.store.snapshot(1, &everything()).unwrap();
    assert_eq!(then[0].content.text, PURGED);
    assert!(
        memory
            .store
            .words("secret", &everything(), 9)
            .unwrap()
            .is_empty()
    );
    assert_eq!(memory.item(&other).content.text, "other");
    // The same words may be kept again: that is another item.
    assert_ne!(memory.add("secret"), id);
    memory.holds();
}

#[test]
fn what_was_removed_or_superseded_can_be_purged_too() {
    let mut memory = Memory::new();
    let [removed, old, new] = ["secret one", "secret two", "new"].map(|text| memory.add(text));
    let because = Change::Remove {
        id: removed.clone(),
        reason: "it said secret".to_owned(),
    };
    memory.one(because).unwrap();
    let supersede = Change::Supersede {
        old: old.clone(),
        new: new.clone(),
    };
    memory.one(supersede).unwrap();
    for id in [&removed, &old] {
        memory.store.purge(id).unwrap();
    }
    assert_eq!(holding(&memory.place, "secret"), Vec::<String>::new());
    assert_eq!(memory.item(&old).state, State::SupersededBy(new));
    assert_eq!(memory.store.seq().unwrap(), 5);
    memory.holds();
    assert!(memory.refusal(remove(&removed)).contains("removed"));
    assert!(memory.store.purge(&engraft_memory::Id("x".into())).is_err());
}
