#![no_main]
//! Any text as a recipe with overrides: a plan that can be shown, or an error.
//!
//! An input is a YAML recipe; lines after a line `===` are overrides as `--set` takes them.

use std::{path::PathBuf, sync::LazyLock};

use engraft::{
    nets::{create, save_folder},
    plan::Plan,
    recipe::{Override, Recipe},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// What recipes may name: `notes.txt`, `rows.jsonl`, `images.idx`, `labels.idx` and the model `gpt`.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).expect("a small file");
    };
    write("notes.txt", b"to be or not to be, that is the question\n");
    write("rows.jsonl", b"{\"text\": \"a b\"}\n{\"text\": \"b c\"}\n");
    write(
        "pairs.jsonl",
        b"{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"b\", \"completion\": \"c\"}\n",
    );
    let images = [
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4].as_slice(),
        &[9; 32],
    ]
    .concat();
    write("images.idx", &images);
    write("labels.idx", &[0, 0, 8, 1, 0, 0, 0, 2, 0, 1]);
    let spec = json!({ "gpt": { "layers": 2, "width": 2, "heads": 1, "context": 8 } });
    let spec = serde_json::from_value(spec).expect("a description of our own");
    let device = engraft::device::parse("cpu").expect("always there");
    let tokenizer = engraft::nets::Tokenizer::words(["a b c"].into_iter());
    let tokens = engraft::nets::InputShape::Tokens;
    let network = create(&spec, tokenizer.vocab_size(), tokens, 0, &device).expect("a network");
    save_folder(&folder.join("gpt"), &*network, Some(&tokenizer)).expect("a model folder");
    folder
});

fuzz_target!(|text: &str| {
    let (yaml, overrides) = text.split_once("\n===\n").unwrap_or((text, ""));
    let Ok(mut recipe) = Recipe::parse(yaml, "fuzz", &FOLDER) else {
        return;
    };
    for change in overrides
        .lines()
        .filter_map(|line| line.parse::<Override>().ok())
    {
        let _ = recipe.set(&change);
    }
    if recipe.root.values().any(out_of_bounds) {
        return;
    }
    match Plan::resolve(&recipe, None, "cpu") {
        Ok(plan) => assert!(plan.describe().contains("machine: cpu")),
        Err(error) => assert!(error.to_string().contains("\n  - ")),
    }
});

/// Honest work that only costs time, and files that are not ours: sizes that are neither small nor
/// absurd, and paths out of the folder.
fn out_of_bounds(value: &Value) -> bool {
    match value {
        Value::Number(number) => matches!(number.as_u64(), Some(17..=0xff_ffff_ffff)),
        Value::String(text) => text.contains('/'),
        Value::Array(list) => list.iter().any(out_of_bounds),
        Value::Object(map) => map.iter().any(|(key, value)| {
            let rows = key == "context" && value.as_u64().is_some_and(|context| context < 256);
            !rows && out_of_bounds(value)
        }),
        _ => false,
    }
}
