//! A user's own texts: documents, questions with answers, plain text, packed or not.

use crate::support::{TINY_GPT, Workplace, gzip, measured, numbers, records, trained_model};

const BUDGET: [&str; 8] = [
    "--steps", "60", "--batch", "4", "--warmup", "3", "--lr", "1e-2",
];

fn train(place: &Workplace, model: &str, data: &str, out: &str, budget: &[&str]) -> String {
    let words = ["train", "--model", model, "--data", data, "--out", out];
    place.engraft(&[&words[..], budget].concat()).done()
}

fn documents() -> String {
    let line = |index: usize| {
        format!("{{\"text\": \"house {index} is one of the houses\", \"id\": {index}}}\n")
    };
    (0..20).map(line).collect()
}

#[test]
fn documents_are_learned_and_measured_on_those_held_out() {
    let place = Workplace::new();
    place.write("docs.jsonl", documents());
    train(&place, TINY_GPT, "docs.jsonl", "one", &["--steps", "1"]);
    train(&place, TINY_GPT, "docs.jsonl", "many", &BUDGET);
    let perplexity = |run: &str| {
        measured(
            &place,
            format!("{run}/ledger.jsonl"),
            "perplexity of data, held out",
        )
    };
    let (before, after) = (perplexity("one"), perplexity("many"));
    assert!(after < before / 2.0 && after > 1.0, "{before} to {after}");
}

#[test]
fn answers_are_learned_from_prompts_and_completions() {
    let place = Workplace::new();
    place.write("houses.jsonl", records(9));
    train(&place, TINY_GPT, "houses.jsonl", "one", &["--steps", "1"]);
    train(&place, TINY_GPT, "houses.jsonl", "many", &BUDGET);
    let found = |run: &str| {
        let name = "completions, data, log-probability";
        measured(&place, format!("{run}/ledger.jsonl"), name)
    };
    assert!(
        found("many") > found("one") + 5.0,
        "{} to {}",
        found("one"),
        found("many")
    );
}

#[test]
fn a_llama_learns_plain_text_too() {
    let place = Workplace::new();
    place.write(
        "book.txt",
        "the cat sat on the mat and the dog sat on the cat. ".repeat(40),
    );
    let llama = "{llama: {hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, \
                 num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32}}";
    train(&place, llama, "book.txt", "llama", &BUDGET);
    let config: serde_json::Value =
        serde_json::from_str(&place.read("llama/models/trained/config.json")).unwrap();
    assert_eq!(config["model_type"], "llama");
    let perplexity = measured(&place, "llama/ledger.jsonl", "perplexity of data, held out");
    // Fifteen characters and three marks: a model that learned nothing is at 18.
    assert!(perplexity > 1.0 && perplexity < 9.0, "{perplexity}");

    // What was saved is what was measured, and it can be taken up again.
    let words = [
        "probe",
        "--model",
        "llama/models/trained",
        "--data",
        "book.txt",
        "--json",
    ];
    let probed = place.engraft(&words).done();
    assert!(probed.contains("perplexity of data, held out"), "{probed}");
    train(
        &place,
        "llama/models/trained",
        "book.txt",
        "further",
        &BUDGET,
    );
    let further = measured(
        &place,
        "further/ledger.jsonl",
        "perplexity of data, held out",
    );
    assert!(further < perplexity, "{perplexity} to {further}");
}

#[test]
fn packed_files_and_files_with_a_byte_order_mark_give_the_same_numbers() {
    let place = Workplace::new();
    let budget = ["--steps", "5", "--batch", "2"];
    for (name, text) in [
        ("docs.jsonl", documents()),
        ("book.txt", "one two three. ".repeat(60)),
    ] {
        place.write(name, &text);
        place.write(&format!("{name}.gz"), gzip(&text));
        place.write(&format!("marked-{name}"), format!("\u{feff}{text}"));
        train(&place, TINY_GPT, name, &format!("plain-{name}"), &budget);
        let plain = numbers(&place, format!("plain-{name}/ledger.jsonl"));
        assert_eq!(plain.len(), 1);
        for other in [format!("{name}.gz"), format!("marked-{name}")] {
            train(&place, TINY_GPT, &other, &format!("run-{other}"), &budget);
            assert_eq!(
                numbers(&place, format!("run-{other}/ledger.jsonl")),
                plain,
                "{other}"
            );
        }
    }
}

#[test]
fn held_out_data_of_its_own_is_measured_on_however_the_data_is_written() {
    let place = Workplace::new();
    place.write("train.txt", "one two three. ".repeat(60));
    place.write("test.txt", "three two one. ".repeat(20));
    let budget = ["--test", "test.txt", "--steps", "5", "--batch", "2"];
    train(&place, TINY_GPT, "train.txt", "by-name", &budget);
    train(&place, TINY_GPT, "{text: train.txt}", "by-yaml", &budget);
    let by_name = numbers(&place, "by-name/ledger.jsonl");
    assert_eq!(numbers(&place, "by-yaml/ledger.jsonl"), by_name);
    train(
        &place,
        TINY_GPT,
        "train.txt",
        "without",
        &["--steps", "5", "--batch", "2"],
    );
    assert_ne!(
        numbers(&place, "without/ledger.jsonl")[0]["gain"],
        by_name[0]["gain"]
    );
}

#[test]
fn a_text_of_which_nothing_is_held_out_is_measured_itself() {
    let place = Workplace::new();
    place.write("train.txt", "one two three. ".repeat(60));
    train(
        &place,
        TINY_GPT,
        "{text: train.txt, held_out: 0}",
        "run",
        &["--steps", "5"],
    );
    let gain = numbers(&place, "run/ledger.jsonl")[0]["gain"].clone();
    assert_eq!(gain["probe"], "perplexity of data, training text");
    assert_eq!(gain["on_training_data"], true);
    assert!(gain["n"].as_u64().unwrap() > 800, "{gain}");
}

#[test]
fn prompts_longer_than_the_context_lose_their_beginning_in_training_and_measuring() {
    let place = Workplace::new();
    trained_model(&place, "model");
    let long = records(9).replace("Which", &"Which ".repeat(30));
    place.write("long.jsonl", &long);
    place.write("new.jsonl", long.replace("house", "boat"));
    let words = [
        "teach",
        "--model",
        "model",
        "--data",
        "new.jsonl",
        "--keep",
        "long.jsonl",
    ];
    let rest = [
        "--replay-share",
        "0.5",
        "--steps",
        "3",
        "--batch",
        "4",
        "--out",
        "run",
    ];
    place.engraft(&[&words[..], &rest].concat()).done();
    let entry = &numbers(&place, "run/ledger.jsonl")[0];
    assert_eq!(
        entry["spill"]["n"], 9,
        "every answer is measured elsewhere: {entry}"
    );
}
