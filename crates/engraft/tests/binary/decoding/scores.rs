//! `score`: what texts, completions and choices are worth to a model, by whom, under which name.

use serde_json::Value;

use super::{graph, json, place};
use crate::support::{Gguf, Told};

#[test]
fn scores_of_texts_completions_and_choices_agree_with_each_other() {
    let place = place();
    place.write(
        "items.jsonl",
        concat!(
            r#"{"text": "the cat sat on the mat"}"#,
            "\n",
            r#"{"prompt": "the cat", "completion": " sat"}"#,
            "\n",
            r#"{"prompt": "the cat", "choices": [" sat", " on the mat"], "answer": 0}"#,
            "\n",
        ),
    );
    let score = ["score", "--model", "tiny.gguf", "--data", "items.jsonl"];
    let more = [
        "--items",
        "found.jsonl",
        "--ledger",
        "ledger.jsonl",
        "--json",
    ];
    let told = place.engraft(&[&score[..], &more].concat()).done();
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(told.contains("perplexity of a token"), "{told}");
    let found: Vec<Value> = place.read("found.jsonl").lines().map(json).collect();
    let completion = found[1]["log_probability"].as_f64().expect("a number");
    let choice = found[2]["log_probabilities"][0].as_f64().expect("a number");
    assert!((completion - choice).abs() < 1e-4, "{completion} {choice}");
    assert!(completion < 0.0);
    let ledger = json(place.read("ledger.jsonl").lines().next().expect("an entry"));
    assert_eq!(ledger["verb"], "score");
    assert_eq!(ledger["measurements"].as_array().map(Vec::len), Some(6));
    // Weighed with nothing, a contrast with the context is the plain model.
    place.write(
        "context.jsonl",
        r#"{"context": "the dog", "prompt": "the cat", "completion": " sat"}"#,
    );
    let with = |method: &str| {
        let words = [
            "score",
            "--model",
            "tiny.gguf",
            "--data",
            "context.jsonl",
            "--method",
            method,
        ];
        let told = place.engraft(&[&words[..], &["--json"]].concat()).done();
        json(told.lines().next().expect("a line"))["value"]
            .as_f64()
            .expect("a number")
    };
    assert!((with("greedy") - with("cad:alpha=0")).abs() < 1e-4);
}

#[test]
fn what_a_method_says_is_under_its_name_and_texts_are_the_plain_model() {
    let place = place();
    let score = |method: &[&str]| {
        let words = [
            "score",
            "--model",
            "tiny.gguf",
            "--data",
            "items.jsonl",
            "--json",
        ];
        let told = place.engraft(&[&words[..], method].concat()).done();
        told.lines().map(json).collect::<Vec<Value>>()
    };
    // What greedy decoding says is the most probable for it alone.
    let words = [
        "generate",
        "--model",
        "tiny.gguf",
        "--raw",
        "the cat",
        "--max-tokens",
        "1",
    ];
    let said = place.engraft(&words).done();
    let said = said.strip_suffix('\n').expect("a line");
    let item = serde_json::json!({"prompt": "the cat", "completion": said});
    let text = serde_json::json!({"text": "the cat sat"});
    place.write("items.jsonl", format!("{item}\n{text}\n"));
    let plain = score(&[]);
    let shown = |found: &[Value], words: &str| -> (String, f64) {
        let name = |one: &Value| one["probe"].as_str().unwrap_or_default().to_owned();
        let one = found
            .iter()
            .find(|one| name(one).contains(words))
            .expect(words);
        (name(one), one["value"].as_f64().expect("a number"))
    };
    assert_eq!(shown(&plain, "is the most probable").1, 1.0);
    // A penalty of repetition on tokens of the prompt, or a ban, changes what comes first.
    let banned = format!("the cat{said}the cat");
    let item = serde_json::json!({"prompt": banned, "completion": said});
    place.write("items.jsonl", format!("{item}\n{text}\n"));
    let method = "greedy:no_repeat_ngram_size=1";
    let found = score(&["--method", method]);
    let (name, value) = shown(&found, "is the most probable");
    assert_eq!((name.contains(method), value), (true, 0.0));
    let (name, value) = shown(&found, "perplexity");
    assert!(!name.contains("greedy"), "{name}");
    assert_eq!(value, shown(&plain, "perplexity").1);
}

#[test]
fn the_ledger_says_which_other_model_and_files_the_numbers_come_from() {
    let place = place();
    place.write(
        "items.jsonl",
        r#"{"prompt": "the cat", "completion": " sat"}"#,
    );
    graph(&place, &["g:1.json"]).done();
    let inputs = |more: &[&str]| -> Vec<(String, String)> {
        let words = [
            "score",
            "--model",
            "tiny.gguf",
            "--data",
            "items.jsonl",
            "--ledger",
            "l.jsonl",
        ];
        place.engraft(&[&words[..], more].concat()).done();
        let ledger = place.read("l.jsonl");
        let entry = json(ledger.lines().next_back().expect("an entry"));
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let inputs = entry["inputs"].as_array().expect("inputs").iter();
        inputs
            .map(|one| (text(one, "role"), text(one, "hash")))
            .collect()
    };
    place.write("weak.gguf", Gguf::sound().bytes());
    let found = inputs(&["--method", "cd", "--amateur", "weak.gguf"]);
    assert_eq!(found[2], ("amateur".to_owned(), found[0].1.clone()));
    let found = inputs(&["--method", "grad:graph=\"g:1.json\""]);
    let graph = blake3::hash(place.read("g:1.json").as_bytes()).to_hex();
    assert_eq!(found[2], ("graph".to_owned(), graph.to_string()));
}

#[test]
fn a_row_names_its_own_condition() {
    let place = place();
    let row = |condition: &str| {
        format!(
            r#"{{"question": "the cat in {condition}", "context": "the dog sat.", "answer": "dog", "condition": "{condition}"}}"#
        )
    };
    place.write("rows.jsonl", format!("{}\n{}\n", row("spring"), row("may")));
    let compare = |methods: &str| {
        place.engraft(&[
            "compare",
            "decode",
            "--model",
            "tiny.gguf",
            "--data",
            "rows.jsonl",
            "--methods",
            methods,
            "--template",
            "qa",
            "--max-tokens",
            "2",
            "--out",
            "table.json",
        ])
    };
    let methods = r#"greedy,coda,overshadow:neutral="a, b":tau=0"#;
    let told = compare(methods).done();
    assert!(
        told.starts_with("2 questions, 1 templates, 3 methods"),
        "{told}"
    );
    let absent = row("spring").replace("the cat in spring", "the cat");
    place.write("rows.jsonl", format!("{}\n{absent}\n", row("may")));
    compare(methods).is_one_error(1, &["rows.jsonl", "item 2", "coda", "`spring`"]);
    place.write(
        "items.jsonl",
        r#"{"prompt": "the cat in may", "completion": " a", "condition": "may"}"#,
    );
    let score = [
        "score",
        "--model",
        "tiny.gguf",
        "--data",
        "items.jsonl",
        "--method",
    ];
    let of = |method: &str| place.engraft(&[&score[..], &[method]].concat());
    let named = of("coda:condition=the")
        .done()
        .replace(":condition=the", "");
    assert_eq!(named, of("coda").done(), "the row's own wins");
}

#[test]
fn texts_are_taken_by_the_name_they_were_pulled_under() {
    let place = place();
    let told = |verb: &str, data: &str| {
        let mut command = place.command(&[verb, "--model", "tiny.gguf", "--data", data]);
        Told::by(command.env("ENGRAFT_HOME", place.path("store")))
    };
    let pull = "is not here yet; run `engraft pull wikitext-2`";
    for verb in ["score", "probe"] {
        told(verb, "wikitext-2/test").is_one_error(1, &["`wikitext-2/test`", pull]);
    }
    let row = r#"{"text": "the cat sat on the mat"}"#;
    place.write(
        "store/data/known-facts/known.jsonl",
        format!("{row}\n{row}\n"),
    );
    let scored = told("score", "known-facts").done();
    assert!(
        scored.starts_with("known.jsonl: perplexity of a token"),
        "{scored}"
    );
    let probed = told("probe", "known-facts").done();
    assert!(probed.contains("perplexity"), "{probed}");
    for (name, bytes) in [("valid.txt", 1_121_681), ("test.txt", 1_256_449)] {
        let name = format!("store/data/wikitext-2/{name}");
        place.write(&name, "");
        let file = std::fs::File::options().write(true).open(place.path(&name));
        file.and_then(|file| file.set_len(bytes)).expect("a file");
    }
    let parts = "several files; name one of them: wikitext-2/valid or wikitext-2/test";
    told("score", "wikitext-2").is_one_error(1, &["--data: `wikitext-2`", parts]);
}
