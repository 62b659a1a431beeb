//! Search by words and by what a filter names, and embeddings that belong to a text.

use engraft_memory::{Change, Draft, Filter, Id, Kind, Store};
use jiff::Timestamp;

use crate::memory::{Memory, edit, everything, insight, remove};

fn found(memory: &Memory, query: &str) -> Vec<String> {
    let items = memory.store.words(query, &Filter::default(), 10).unwrap();
    items.into_iter().map(|item| item.content.text).collect()
}

#[test]
fn the_item_that_holds_more_of_the_words_comes_first() {
    let mut memory = Memory::new();
    memory.add("Check the encoding of templates.");
    memory.add("Check the migrations of the encoding table before the release.");
    memory.add("Nothing in common.");
    let answers = found(&memory, "encoding migrations");
    assert!(answers[0].contains("migrations"), "{answers:?}");
    assert_eq!(answers.len(), 2);
    assert_eq!(
        memory
            .store
            .words("encoding migrations", &Filter::default(), 1)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn edits_and_removals_reach_the_index() {
    let mut memory = Memory::new();
    let id = memory.add("apples");
    memory.one(edit(&id, "pears")).unwrap();
    assert!(found(&memory, "apples").is_empty());
    assert_eq!(found(&memory, "pears"), ["pears"]);
    memory.one(remove(&id)).unwrap();
    assert!(found(&memory, "pears").is_empty());
    assert_eq!(
        memory.store.words("PEARS", &everything(), 9).unwrap().len(),
        1
    );
}

#[test]
fn no_question_is_read_as_a_command() {
    let mut memory = Memory::new();
    memory.add("near the \"quoted\" text: a-b c* (d) 🙂 Ärger");
    for query in [
        "\"",
        "\"\"",
        "\"quoted",
        "*",
        "c*",
        "NEAR",
        "NEAR(a b)",
        "a AND",
        "OR",
        "NOT",
        "-",
        "-a",
        "a-b",
        "^a",
        "text:",
        "{text}:a",
        "+",
        "(",
        ")",
        "🙂",
        "",
        " ",
        "\0",
        "a\0b",
        "'; DROP TABLE items; --",
        "\\",
        "%",
    ] {
        let answers = memory.store.words(query, &Filter::default(), 10);
        assert!(answers.is_ok(), "{query:?}: {answers:?}");
    }
    assert_eq!(found(&memory, "near").len(), 1);
    assert_eq!(found(&memory, "a-b").len(), 1);
    assert_eq!(found(&memory, "arger").len(), 1);
    assert_eq!(found(&memory, "NOT quoted").len(), 1);
    assert!(found(&memory, "* ( -").is_empty());
    let page: String = (0..20_000).map(|word| format!("w{word} ")).collect();
    assert!(found(&memory, &page).is_empty());
}

#[test]
fn a_filter_leaves_out_before_the_answers_are_counted() {
    let mut memory = Memory::new();
    for at in 0..5 {
        memory.add(&format!("word {at}"));
    }
    let scoped = Draft {
        scope: "django".into(),
        ..insight("word in a much longer text that ranks below all of the others")
    };
    memory.one(Change::Add(scoped)).unwrap();
    let django = Filter {
        scope: Some("django".into()),
        ..Filter::default()
    };
    assert_eq!(memory.store.words("word", &django, 1).unwrap().len(), 1);
}

#[test]
fn an_issue_learns_from_earlier_issues_of_its_own_repository_only() {
    let mut memory = Memory::new();
    let episode = |text: &str, repository: &str, happened: Option<&str>| Draft {
        scope: repository.into(),
        happened: happened.map(|time| time.parse().unwrap()),
        ..Draft::new(Kind::Episode, text)
    };
    let episodes = [
        episode("issue one", "django", Some("2020-01-01T00:00:00Z")),
        episode("issue two", "django", Some("2024-01-01T00:00:00Z")),
        episode("issue three", "sympy", Some("2020-01-01T00:00:00Z")),
        episode("issue four", "django", None),
    ];
    let changes = episodes.map(Change::Add).into();
    let applied = memory.store.apply("test", changes).unwrap();
    let added = memory.item(&applied[3].id).added;
    let shown = |before: Timestamp| {
        let filter = Filter {
            kind: Some(Kind::Episode),
            scope: Some("django".into()),
            before: Some(before),
            ..Filter::default()
        };
        let store = &memory.store;
        let [items, words, then] = [
            store.items(&filter).unwrap(),
            store.words("issue", &filter, 9).unwrap(),
            store.snapshot(4, &filter).unwrap(),
        ]
        .map(|items| {
            let mut texts: Vec<String> = items.into_iter().map(|item| item.content.text).collect();
            texts.sort_unstable();
            texts
        });
        assert_eq!((&words, &then), (&items, &items));
        items
    };
    let time: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(shown(time), ["issue one"]);
    // One that does not say when it was created counts by when it was added.
    assert_eq!(shown(added), ["issue one", "issue two"]);
    assert_eq!(
        shown(Timestamp::MAX),
        ["issue four", "issue one", "issue two"]
    );
}

#[test]
fn an_embedding_counts_only_for_the_text_it_was_made_of() {
    let mut memory = Memory::new();
    let [a, b] = ["a", "b"].map(|text| memory.add(text));
    let vector =
        |id: &Id, text: &str, numbers: &[f32]| (id.clone(), text.to_owned(), numbers.to_vec());
    let kept = [
        vector(&a, "a", &[1.0, -2.5]),
        vector(&b, "not b", &[0.5, 0.5]),
    ];
    memory.store.keep_vectors("m", &kept).unwrap();
    let vectors = memory.store.vectors("m").unwrap();
    assert_eq!(vectors.known, [(a.clone(), vec![1.0, -2.5])]);
    assert_eq!(vectors.missing, [(b.clone(), "b".to_owned())]);
    assert_eq!(memory.store.vectors("other").unwrap().missing.len(), 2);

    memory.one(edit(&a, "aa")).unwrap();
    assert_eq!(memory.store.vectors("m").unwrap().missing.len(), 2);
    memory
        .store
        .keep_vectors("m", &[vector(&a, "aa", &[3.0])])
        .unwrap();
    assert_eq!(
        memory.store.vectors("m").unwrap().known,
        [(a.clone(), vec![3.0])]
    );
    memory.one(remove(&a)).unwrap();
    assert_eq!(memory.store.vectors("m").unwrap().known, []);

    for bad in [vec![], vec![f32::NAN], vec![f32::INFINITY]] {
        assert!(
            memory
                .store
                .keep_vectors("m", &[vector(&b, "b", &bad)])
                .is_err()
        );
    }
    assert_eq!(memory.store.vectors("m").unwrap().known, []);
}
