//! What a review finds, and what it leaves alone.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use engraft_memory::{
    Change, Draft, Filter, Id, Item, Kind, Source, Store,
    review::{Difference, Finding, Staleness, hash_of, review},
};

use crate::memory::{Memory, insight};

fn items(drafts: Vec<Draft>) -> Vec<Item> {
    let mut memory = Memory::new();
    memory
        .store
        .apply("test", drafts.into_iter().map(Change::Add).collect())
        .unwrap();
    memory.store.items(&Filter::default()).unwrap()
}

fn texts(texts: &[&str]) -> Vec<Item> {
    items(texts.iter().map(|text| insight(text)).collect())
}

fn look(items: &[Item]) -> Vec<Finding> {
    review(items, &[], &|_| None)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn another_number_a_denial_or_another_word_is_a_contradiction() {
    for (older, newer, difference) in [
        (
            "The service listens on port 8080.",
            "The service listens on port 9090.",
            Difference::Numbers(words(&["8080"]), words(&["9090"])),
        ),
        (
            "Run the database migrations before the tests.",
            "Don\u{2019}t run the database migrations before the tests.",
            Difference::Negation,
        ),
        (
            "Anna prefers tabs for indentation in Python.",
            "Anna prefers spaces for indentation in Python.",
            Difference::Words(words(&["tabs"]), words(&["spaces"])),
        ),
    ] {
        let items = texts(&[older, "Nothing of this kind at all.", newer]);
        let findings = look(&items);
        let [
            Finding::Contradiction {
                older,
                newer,
                differences,
            },
        ] = &findings[..]
        else {
            panic!("{findings:?}");
        };
        assert_eq!((older, newer), (&items[0], &items[2]));
        assert_eq!(differences, &[difference]);
        let (old, new) = (older.id.clone(), newer.id.clone());
        assert_eq!(findings[0].suggestion(), Change::Supersede { old, new });
    }
}

#[test]
fn what_is_about_something_else_or_somebody_else_is_left_alone() {
    assert_eq!(
        look(&texts(&[
            "Use tabs in makefiles.",
            "The release is on Friday."
        ])),
        []
    );
    let scoped = |scope: &str, port: u16| Draft {
        scope: scope.into(),
        ..insight(&format!("The service listens on port {port}."))
    };
    assert_eq!(look(&items(vec![scoped("a", 1), scoped("b", 2)])), []);
    let episode = |port: u16| {
        Draft::new(
            Kind::Episode,
            format!("The service listens on port {port}."),
        )
    };
    assert_eq!(look(&items(vec![episode(1), episode(2)])), []);
}

#[test]
fn the_same_words_in_other_order_and_case_are_a_duplicate() {
    let mut memory = Memory::new();
    let a = memory.add("Always run the linter first.");
    let b = memory.add("FIRST, run the linter - always!");
    memory
        .one(Change::Vote {
            id: b.clone(),
            by: 1,
        })
        .unwrap();
    let findings = look(&memory.store.items(&Filter::default()).unwrap());
    assert!(
        matches!(&findings[..], [Finding::Duplicate { .. }]),
        "{findings:?}"
    );
    assert_eq!(
        findings[0].suggestion(),
        Change::Merge {
            from: vec![a],
            into: b
        }
    );
}

#[test]
fn embeddings_find_pairs_that_share_few_words() {
    let items = texts(&[
        "Deploy with kubernetes to the staging cluster on Monday 3.",
        "Rollouts go out through kubernetes; pick day 5.",
    ]);
    assert_eq!(look(&items), []);
    let with = |b: [f32; 2]| {
        let embeddings: Vec<(Id, Vec<f32>)> = vec![
            (items[0].id.clone(), vec![1.0, 0.0]),
            (items[1].id.clone(), b.to_vec()),
        ];
        review(&items, &embeddings, &|_| None).len()
    };
    assert_eq!((with([0.9, 0.1]), with([0.1, 0.9])), (1, 0));
}

#[test]
fn an_item_is_stale_when_its_file_changed_or_went_or_it_was_voted_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guide.md");
    std::fs::write(&path, "one").unwrap();
    let read = |text: &str| Draft {
        source: Source {
            file: Some(path.to_str().unwrap().to_owned()),
            hash: hash_of(&path),
            ..Source::default()
        },
        ..Draft::new(Kind::Note, text)
    };
    let mut memory = Memory::new();
    let from_file = memory.one(Change::Add(read("It says one."))).unwrap().id;
    let fresh = memory.add("Nobody has voted on this yet.");
    let down = memory.add("Somebody liked this once.");
    for by in [1, -1] {
        memory
            .one(Change::Vote {
                id: down.clone(),
                by,
            })
            .unwrap();
    }
    let stale = || {
        let items = memory.store.items(&Filter::default()).unwrap();
        let found = review(&items, &[], &|file| hash_of(file.as_ref()));
        let stale = found.into_iter().map(|finding| match finding {
            Finding::Stale { item, because } => (item.id, because),
            other => panic!("{other:?}"),
        });
        stale.collect::<HashMap<_, _>>()
    };
    assert_eq!(
        stale(),
        HashMap::from([(down.clone(), Staleness::VotedDown)])
    );
    std::fs::write(&path, "two").unwrap();
    assert_eq!(stale()[&from_file], Staleness::FileChanged);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(stale()[&from_file], Staleness::FileGone);
    assert!(!stale().contains_key(&fresh));
}

#[test]
fn ten_thousand_items_are_looked_through_in_a_moment() {
    let draft = |at: u64| {
        let word = |salt: u64| format!("w{}x", (at * 31 + salt).wrapping_mul(2_654_435_761) % 3000);
        let text: String = (0..12).map(|salt| word(salt) + " ").collect();
        insight(&format!("When the tests of the project fail, {text}"))
    };
    let mut drafts: Vec<Draft> = (0..10_000).map(draft).collect();
    drafts.push(insight("The answer to everything is 42."));
    drafts.push(insight("The answer to everything is 43."));
    let items = items(drafts);
    let start = Instant::now();
    let findings = look(&items);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    let answer = |finding: &Finding| format!("{finding:?}").contains("everything");
    assert_eq!(findings.iter().filter(|finding| answer(finding)).count(), 1);
}
