use super::*;
use crate::{
    Change, Draft, Kind, SqliteStore,
    retrieval::{Bm25, Okapi, Scores},
};

/// Three numbers: how much a text is about animals, machines and food.
struct Topics;

impl Embedder for Topics {
    fn name(&self) -> &str {
        "topics"
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MemoryError> {
        let topics = [
            ["cat", "dog", "pet"],
            ["engine", "wheel", "motor"],
            ["bread", "soup", "meal"],
        ];
        let about = |text: &&str| {
            let counts = topics
                .iter()
                .map(|words| words.iter().filter(|word| text.contains(**word)).count());
            counts.map(|count| count as f32).collect()
        };
        Ok(texts.iter().map(about).collect())
    }
}

struct Place {
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

fn place(texts: &[&str]) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path().join("memory.db")).unwrap();
    for text in texts {
        add(&mut store, text, "");
    }
    Place {
        store,
        _folder: folder,
    }
}

fn add(store: &mut SqliteStore, text: &str, scope: &str) -> Id {
    let draft = Draft {
        scope: scope.to_owned(),
        ..Draft::new(Kind::Note, text)
    };
    let applied = store.apply("test", vec![Change::Add(draft)]).unwrap();
    applied[0].id.clone()
}

fn texts(recalled: &Recalled) -> Vec<&str> {
    recalled
        .found
        .iter()
        .map(|found| found.item.content.text.as_str())
        .collect()
}

const NOTES: [&str; 4] = [
    "the dog sleeps at noon",
    "the motor needs oil",
    "soup on mondays",
    "the cat is grey",
];

#[test]
fn words_alone_find_words_and_meaning_finds_what_has_other_words() {
    let mut place = place(&NOTES);
    let mut words = Recall::open(&mut place.store, None).unwrap();
    let found = words
        .ask(&mut place.store, &Ask::new("oil for the motor"))
        .unwrap();
    assert_eq!(texts(&found)[0], "the motor needs oil");
    let mut both = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let ask = Ask {
        most: 1,
        ..Ask::new("what is a wheel like")
    };
    assert_eq!(
        texts(&both.ask(&mut place.store, &ask).unwrap()),
        ["the motor needs oil"]
    );
}

#[test]
fn what_others_write_change_and_remove_is_seen_at_the_next_question() {
    let mut place = place(&NOTES);
    let mut recall = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let id = add(&mut place.store, "bread is in the kitchen", "");
    let ask = Ask {
        most: 1,
        ..Ask::new("bread")
    };
    assert_eq!(
        texts(&recall.ask(&mut place.store, &ask).unwrap()),
        ["bread is in the kitchen"]
    );
    let edit = Change::Edit {
        id: id.clone(),
        text: Some("bread is in the cellar".to_owned()),
        data: None,
    };
    place.store.apply("test", vec![edit]).unwrap();
    assert_eq!(
        texts(&recall.ask(&mut place.store, &ask).unwrap()),
        ["bread is in the cellar"]
    );
    place.store.purge(&id).unwrap();
    let found = recall.ask(&mut place.store, &ask).unwrap();
    assert!(
        !texts(&found).iter().any(|text| text.contains("cellar")),
        "{found:?}"
    );
}

#[test]
fn embeddings_are_computed_once() {
    let mut place = place(&NOTES);
    Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    assert_eq!(
        place.store.vectors("topics").unwrap().known.len(),
        NOTES.len()
    );
}

#[test]
fn only_what_the_filter_admits_is_found_however_rare_it_is() {
    let mut place = place(&[]);
    for number in 0..500 {
        add(
            &mut place.store,
            &format!("the dog number {number}"),
            "others",
        );
    }
    add(&mut place.store, "a dog of mine", "me");
    let mut recall = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let ask = Ask {
        filter: Filter {
            scope: Some("me".to_owned()),
            ..Filter::default()
        },
        ..Ask::new("the dog")
    };
    assert_eq!(
        texts(&recall.ask(&mut place.store, &ask).unwrap()),
        ["a dog of mine"]
    );
}

#[test]
fn pinned_items_come_first_and_what_does_not_fit_is_told() {
    let mut place = place(&NOTES);
    let id = add(&mut place.store, "always be kind", "");
    place
        .store
        .apply(
            "test",
            vec![Change::Pin {
                id: id.clone(),
                pinned: true,
            }],
        )
        .unwrap();
    let long = add(&mut place.store, &"dog ".repeat(100), "");
    let mut recall = Recall::open(&mut place.store, None).unwrap();
    let ask = Ask {
        tokens: Some(20),
        ..Ask::new("dog")
    };
    let found = recall.ask(&mut place.store, &ask).unwrap();
    assert_eq!(
        texts(&found)[..2],
        ["always be kind", "the dog sleeps at noon"]
    );
    let omitted = found
        .omitted
        .iter()
        .find(|omitted| omitted.id == long)
        .unwrap();
    assert!(matches!(omitted.why, Why::TooLong { tokens: 100, .. }));
}

#[test]
fn now_and_then_have_answers_of_their_own() {
    let mut place = place(&["Ada works at the mill"]);
    let then = place.store.seq().unwrap();
    let old = place.store.items(&Filter::default()).unwrap()[0].id.clone();
    let new = Draft::new(Kind::Note, "Ada works at the harbour");
    let replace = Change::Replace { old, new };
    place.store.apply("test", vec![replace]).unwrap();
    let mut recall = Recall::open(&mut place.store, None).unwrap();
    let ask = Ask::new("where does Ada work");
    let now = recall.ask(&mut place.store, &ask).unwrap();
    assert_eq!(texts(&now), ["Ada works at the harbour"]);
    let before = ask_then(&place.store, then, &ask).unwrap();
    assert_eq!(texts(&before), ["Ada works at the mill"]);
}

#[test]
fn what_says_the_same_is_shown_once() {
    let mut place = place(&["The dog sleeps at noon.", "the dog sleeps, at noon"]);
    let mut recall = Recall::open(&mut place.store, None).unwrap();
    let found = recall
        .ask(&mut place.store, &Ask::new("dog at noon"))
        .unwrap();
    assert_eq!(found.found.len(), 1);
    assert!(matches!(found.omitted[0].why, Why::Repeats(_)));
}

#[test]
fn diversity_puts_another_topic_before_more_of_the_same() {
    let mut place = place(&[
        "dog and cat, a pet",
        "cat and dog, one pet",
        "the motor of the pet dog",
    ]);
    let mut recall = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let ask = |lambda| Ask {
        lambda,
        fusion: Fusion::Meaning,
        ..Ask::new("pet dog cat")
    };
    let plain = recall.ask(&mut place.store, &ask(1.0)).unwrap();
    let diverse = recall.ask(&mut place.store, &ask(0.3)).unwrap();
    assert_eq!(texts(&plain)[2], "the motor of the pet dog");
    assert_eq!(texts(&diverse)[1], "the motor of the pet dog");
}

fn scores(recalled: &Recalled) -> Vec<(&str, f64)> {
    let scores = recalled.found.iter().map(|found| found.score);
    texts(recalled).into_iter().zip(scores).collect()
}

fn by_mem0(text: &str, threshold: f64) -> Ask<'_> {
    Ask {
        fusion: Fusion::Mem0 { threshold },
        ..Ask::new(text)
    }
}

#[test]
fn mem0_brings_words_to_its_scale_and_leaves_out_what_is_far_in_meaning() {
    let mut place = place(&NOTES);
    let mut recall = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let text = "oil for a dog";
    let ask = by_mem0(text, mem0::THRESHOLD);
    let found = recall.ask(&mut place.store, &ask).unwrap();
    let mut words = Bm25::new(Okapi::default());
    for (number, note) in (0..).zip(NOTES) {
        words.add(number, &tokens(note));
    }
    let mut raw = Scores::default();
    words.scores(&tokens(text), &mut raw);
    let dog = mem0::normalise(raw.get(0), mem0::bm25_parameters(4));
    assert!(dog > 0.0 && raw.get(1) > 0.0);
    // Each is as near as can be; the note that shares "oil" is about something else.
    assert_eq!(
        scores(&found),
        [(NOTES[0], (1.0 + dog) / 2.0), (NOTES[3], 0.5)]
    );
}

#[test]
fn mem0_scores_of_two_questions_do_not_compare() {
    let mut place = place(&NOTES);
    let mut recall = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let mut best = |text| {
        let ask = by_mem0(text, mem0::THRESHOLD);
        let found = recall.ask(&mut place.store, &ask).unwrap();
        scores(&found)
            .first()
            .map(|&(text, score)| (text.to_owned(), score))
            .unwrap()
    };
    let [alone, shared] = [best("wheel"), best("wheel oil")];
    assert_eq!(alone, (NOTES[1].to_owned(), 1.0));
    assert!(shared.0 == NOTES[1] && shared.1 < 0.6, "{shared:?}");
}

#[test]
fn mem0_takes_another_threshold() {
    let mut place = place(&["a pet dog", "the motor of the pet dog"]);
    let mut recall = Recall::open(&mut place.store, Some(Box::new(Topics))).unwrap();
    let mut count = |threshold| {
        let ask = by_mem0("cat", threshold);
        recall.ask(&mut place.store, &ask).unwrap().found.len()
    };
    assert_eq!([count(0.85), count(0.95)], [2, 1]);
}
