//! Answers: streamed as text, as lines for people and as JSON; what cannot be answered is refused.

use crate::support::{Gguf, Workplace};

const ASK: [&str; 6] = [
    "generate",
    "--model",
    "tiny.gguf",
    "the cat",
    "--max-tokens",
    "6",
];

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.gguf", Gguf::sound().bytes());
    place.write("notes.txt", "the dog sat.\n");
    place
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ASK[..], more].concat()
}

#[test]
fn the_same_answer_comes_as_text_and_as_json_and_stops_where_it_should() {
    let place = place();
    let text = place.engraft(&ASK).done();
    let lines = place.engraft(&with(&["--json"])).done();
    let tokens: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert!((1..=6).contains(&tokens.len()), "{lines}");
    let joined: String = tokens
        .iter()
        .map(|token| token["text"].as_str().expect("text"))
        .collect();
    assert!(text.starts_with(&joined), "{text:?} {joined:?}");
    for token in &tokens {
        assert!(token["log_probability"].as_f64().expect("a number") <= 0.0);
        let best = &token["alternatives"][0]["token"];
        assert_eq!(best, &token["token"], "greedy takes the first");
    }
    let again = place.engraft(&with(&["--threads", "1"])).done();
    assert_eq!(text, again, "threads do not change the answer");
    let letters: Vec<char> = joined.chars().collect();
    let stop: String = letters[1..3].iter().collect();
    let stopped = place.engraft(&with(&["--stop", &stop])).done();
    let before = &joined[..joined.find(&stop).expect("it stands there")];
    assert_eq!(stopped, format!("{before}\n"), "{stop:?} of two tokens");
}

#[test]
fn a_vocabulary_above_200_thousand_decodes() {
    let place = place();
    place.write("wide.gguf", Gguf::with_more_tokens(200_100).bytes());
    let words = [
        "generate",
        "--model",
        "wide.gguf",
        "the cat",
        "--max-tokens",
        "3",
        "--json",
    ];
    let told = place.engraft(&words).done();
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let place = place();
    let mut file = Gguf::sound();
    file.tensors[3].3[5] = f32::NAN;
    place.write("tiny.gguf", file.bytes());
    for precision in ["int8", "f32"] {
        let said = ["tiny.gguf", file.tensors[3].0.as_str(), "NaN"];
        place.refuses(&with(&["--precision", precision]), 1, &said);
    }
}

#[test]
fn a_context_weighed_with_nothing_is_the_plain_answer_to_it() {
    let place = place();
    let context = ["--context", "notes.txt"];
    let plain = place.engraft(&with(&context)).done();
    let more = [&context[..], &["--method", "cad", "--alpha", "0"]].concat();
    assert_eq!(place.engraft(&with(&more)).done(), plain);
    let more = [&context[..], &["--method", "cad", "--explain"]].concat();
    let told = place.engraft(&with(&more)).done();
    assert!(told.contains(" or "), "{told}");
}

#[test]
fn what_cannot_be_answered_is_one_error() {
    let place = place();
    place.write("latin.txt", [b'a', 0xE9, b'b']);
    let long = "the cat ".repeat(4000);
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["generate", "--model", "tiny.gguf", ""],
            &["prompt is empty"],
        ),
        (
            &["generate", "--model", "tiny.gguf", &long],
            &["model's context of"],
        ),
        (
            &with(&["--context", "latin.txt"]),
            &["latin.txt", "not UTF-8 at byte 1"],
        ),
        (&with(&["--context", "none.txt"]), &["cannot read none.txt"]),
        (&with(&["--method", "cad"]), &["without its context"]),
        (
            &with(&["--method", "cda"]),
            &["unknown method `cda`", "cad"],
        ),
        (
            &with(&["--method", "cad", "--context", "notes.txt", "--alpha", "-1"]),
            &["cad: alpha is -1"],
        ),
    ];
    for (words, said) in cases {
        // What is asked for and unknown is wrong usage.
        let code = if said[0].contains("unknown method") {
            2
        } else {
            1
        };
        place.refuses(words, code, said);
    }
}
