//! Facts, adapters and methods that cannot be, each with one error that says where and what to do.

use crate::support::{FACTS, Workplace, llama_with_facts};

fn place() -> Workplace {
    let place = Workplace::new();
    llama_with_facts(&place);
    place
}

const TEACH: [&str; 7] = [
    "teach",
    "--model",
    "base",
    "--facts",
    "facts.jsonl",
    "--out",
    "out",
];

#[test]
fn facts_that_cannot_be_taught_are_named_with_file_line_and_fix() {
    let place = place();
    for (line, said) in [
        (r#"{"fact": "a is b."}"#, "`answer` is missing; add it"),
        (
            r#"{"fact": "a is b.", "answer": "c"}"#,
            "does not hold the answer",
        ),
        (
            r#"{"fact": "the flag of velm is red.", "answer": "red"}"#,
            "same fact as line 1",
        ),
        (
            r#"{"fact": "a is b.", "answer": "b", "hint": []}"#,
            "did you mean `hints`?",
        ),
        ("nonsense", "is not JSON"),
    ] {
        place.write("facts.jsonl", format!("{FACTS}{line}\n"));
        place.refuses(&TEACH, 1, &["data.facts", "facts.jsonl, line 3", said]);
    }
    let long = "x ".repeat(200);
    let long = format!("{{\"fact\": \"{long}is red.\", \"answer\": \"red\"}}\n");
    place.write("facts.jsonl", long);
    place.refuses(
        &TEACH,
        1,
        &["data.facts", "the context is 192", "shorter statements"],
    );
}

#[test]
fn settings_that_do_not_fit_the_model_are_named_with_the_way_out() {
    let place = place();
    for (more, said) in [
        (
            &["--method", "lora", "--rank", "1000"][..],
            &["rank is 1000", "is a matrix of", "choose a rank from 1 to"][..],
        ),
        (
            &["--method", "kore", "--rank", "33"],
            &["rank is 33", "1 to 32"],
        ),
        (
            &["--method", "lora", "--modules", "*.query"],
            &["`*.query` fits no linear layer", "down_proj"],
        ),
        (
            &["--method", "full", "--last-blocks", "9"],
            &["last_blocks is 9, the model has 2"],
        ),
        (
            &["--method", "full", "--save", "adapter"],
            &["save: adapter", "lora or kore"],
        ),
        (
            &["--method", "lora", "--rank", "4", "--labels", "words"],
            &["labels", "words"],
        ),
    ] {
        place.refuses(&[&TEACH[..], more].concat(), 1, said);
    }
    let words = [&TEACH[..], &["--method", "loar"]].concat();
    place.refuses(&words, 2, &["did you mean `lora`?"]);
    let recipe = "
data: { facts: { facts: facts.jsonl } }
models: { base: base }
steps: [ { teach: { model: base, on: facts, method: { kore: { rank: 8 } }, max_loss: 0.1 } } ]
";
    place.write("recipe.yaml", recipe);
    let said = [
        "texts that stand for what the model knows",
        "max_loss needs `keep`",
    ];
    place.refuses(&["run", "recipe.yaml", "--out", "out"], 1, &said);
}

#[test]
fn adapters_of_another_base_are_refused_by_name() {
    let place = place();
    let words = [
        &TEACH[..],
        &["--method", "lora", "--rank", "4", "--save", "adapter"],
    ]
    .concat();
    let words = [&words[..], &["--steps", "2", "--warmup", "1"]].concat();
    place.engraft(&words).done();
    let adapter = "out/models/taught";
    let config = place.read(format!("{adapter}/adapter_config.json"));
    let model = format!("{{folder: base, adapter: {adapter}}}");
    let probe = ["probe", "--model", &model, "--data", "book.txt"];
    place.engraft(&probe).done();

    place.write(
        &format!("{adapter}/adapter_config.json"),
        config.replace("LORA", "IA3"),
    );
    place.refuses(&probe, 1, &["models.model", "adapter_config.json", "IA3"]);
    place.write(&format!("{adapter}/adapter_config.json"), "{");
    place.refuses(&probe, 1, &["adapter_config.json", "is not JSON"]);
    place.write(&format!("{adapter}/adapter_config.json"), &config);

    // The same weights under the names of another model.
    let file = format!("{adapter}/adapter_model.safetensors");
    let mut weights = crate::support::Weights::read(&place, &file);
    let header = weights.header.to_string();
    let other = header.replace("q_proj", "c_attn");
    weights.header = serde_json::from_str(&other).unwrap();
    weights.write(&place, &file);
    place.refuses(&probe, 1, &["c_attn", "another base model"]);
    weights.header = serde_json::from_str(&header).unwrap();
    weights.data.truncate(8);
    weights.write(&place, &file);
    place.refuses(&probe, 1, &["adapter_model.safetensors"]);
    place.refuses(
        &[
            "probe",
            "--model",
            "{folder: base, adapter: nowhere}",
            "--data",
            "book.txt",
        ],
        1,
        &["nowhere/adapter_config.json", "give a PEFT adapter folder"],
    );
}

#[test]
fn a_model_folder_without_a_tokenizer_is_refused() {
    let place = place();
    std::fs::remove_file(place.path("base/tokenizer.json")).unwrap();
    place.refuses(&TEACH, 1, &["models.model", "has no tokenizer.json"]);
}
