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
    assert_eq!(text, format!("{joined}\n"));
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
fn methods_set_to_change_nothing_are_greedy_decoding_token_by_token() {
    let place = place();
    let tokens = |more: &[&str]| -> Vec<(u64, f64)> {
        let lines = place.engraft(&with(&[&["--json"], more].concat())).done();
        let lines = lines.lines().map(|line| -> serde_json::Value {
            serde_json::from_str(line).expect("a line of JSON")
        });
        lines
            .map(|line| {
                let token = line["token"].as_u64().expect("a token");
                let log = line["log_probability"].as_f64().expect("a number");
                (token, log)
            })
            .collect()
    };
    let greedy = tokens(&[]);
    let still = [
        "--method",
        "kid",
        "--documents",
        "notes.txt",
        "--kid-steps",
        "0",
        "--greedy",
        "--banned-ngram-size",
        "0",
        "--top-k",
        "9999",
        "--top-p",
        "1",
    ];
    for method in [&["--method", "beam", "--num-beams", "1"][..], &still] {
        let found = tokens(method);
        assert_eq!(found.len(), greedy.len(), "{method:?}");
        for (found, greedy) in found.iter().zip(&greedy) {
            assert_eq!(found.0, greedy.0, "{method:?}");
            assert!((found.1 - greedy.1).abs() < 1e-3, "{method:?}");
        }
    }
}

#[test]
fn what_waits_for_a_stop_that_does_not_come_is_told_in_the_end() {
    let place = place();
    let text = place.engraft(&ASK).done();
    let last = text.trim_end_matches('\n').chars().next_back();
    let stop = format!("{}never", last.expect("an answer"));
    let lines = place.engraft(&with(&["--json", "--stop", &stop])).done();
    let lines = lines
        .lines()
        .map(|line| -> serde_json::Value { serde_json::from_str(line).expect("a line of JSON") });
    let joined: String = lines
        .map(|line| line["text"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(text, format!("{joined}\n"));
}

#[test]
fn an_answer_that_fills_the_context_is_kept_and_so_is_an_empty_one() {
    let place = place();
    for method in ["greedy", "beam", "opera"] {
        let words = [
            "generate",
            "--model",
            "tiny.gguf",
            "the cat",
            "--raw",
            "--method",
            method,
            "--max-tokens",
            "100",
            "--html",
            "page.html",
        ];
        let told = place.engraft(&words);
        assert!(
            told.err.contains("context is full"),
            "{method}: {}",
            told.err
        );
        assert!(told.done().len() > 50, "{method}");
        assert!(place.read("page.html").contains("of 57 tokens"), "{method}");
    }
    let words = [&ASK[..4], &["--max-tokens", "0", "--html", "none.html"]].concat();
    assert_eq!(place.engraft(&words).done(), "\n");
    assert!(place.read("none.html").contains("the cat"));
}

#[test]
fn a_raw_prompt_begins_with_the_mark_that_its_tokenizer_asks_for() {
    let place = place();
    let mut file = Gguf::sound();
    let start = (
        "tokenizer.ggml.bos_token_id",
        4,
        7u32.to_le_bytes().to_vec(),
    );
    file.metadata.push(start);
    place.write("unmarked.gguf", file.bytes());
    let adds = ("tokenizer.ggml.add_bos_token", 7, vec![1]);
    file.metadata.push(adds);
    place.write("marked.gguf", file.bytes());
    place.write("text.txt", "the cat");
    let scored = |model: &str| {
        let words = ["score", "--model", model, "--data", "text.txt", "--json"];
        let told = place.engraft(&words).done();
        serde_json::from_str::<serde_json::Value>(&told).expect("a measurement")["n"].clone()
    };
    // Without a mark the first of seven letters has nothing before it.
    assert_eq!(scored("unmarked.gguf"), 6);
    assert_eq!(scored("marked.gguf"), 7);
    let answer = |model: &str| {
        let words = ["generate", "--raw", "--model", model, "the cat"];
        place.engraft(&words).done()
    };
    assert_ne!(answer("unmarked.gguf"), answer("marked.gguf"));
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
fn scores_that_are_no_numbers_are_named_however_an_answer_is_decoded() {
    let place = place();
    let mut file = Gguf::sound();
    file.tensors[1].3.fill(f32::MAX);
    place.write("tiny.gguf", file.bytes());
    let kid = ["--documents", "notes.txt"];
    for method in ["greedy", "sample", "beam", "opera", "kid"] {
        let more = if method == "kid" { &kid[..] } else { &[] };
        let words = [&["--precision", "f32", "--method", method], more].concat();
        place.refuses(&with(&words), 1, &["NaN or infinite"]);
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
