//! A recipe over several seeds: a run a seed, one table, taken up again where it ended.

use std::fs;

use crate::support::{Workplace, llama_with_facts};

const RECIPE: &str = "
seed: 3
seeds: 2
quick: { seeds: 1, steps: [lora] }
data:
  facts: { facts: { invented: 5 }, context: 192 }
  book: { text: book.txt, context: 32, measure: 4 }
models: { base: base }
steps:
  - teach: { name: lora, model: base, on: facts, keep: [book], save: nothing, steps: 4, batch: 5, warmup: 1, method: { lora: { rank: 2 } } }
  - prune: { name: lora-topk, model: lora, save: nothing }
  - prune: { name: lora-shrink, model: lora, method: shrink, save: nothing }
";

fn place() -> Workplace {
    let place = Workplace::new();
    llama_with_facts(&place);
    place.write("recipe.yaml", RECIPE);
    place
}

#[test]
fn every_seed_has_its_run_and_all_stand_in_one_table() {
    let place = place();
    let words = ["run", "recipe.yaml", "--out", "out"];
    let told = place.engraft(&words).done();
    for said in [
        "statements never taught",
        "perplexity of book",
        "priming score",
    ] {
        assert!(told.contains(said), "`{said}` is not in\n{told}");
    }
    let table = place.read("out/table.md");
    for step in ["| before |", "| lora |", "| lora-topk |", "| lora-shrink |"] {
        assert!(table.contains(step), "{table}");
    }
    assert!(place.path("out/seed-3/report.html").exists());
    assert!(place.path("out/seed-4/ledger.jsonl").exists());
    assert!(
        !place.path("out/seed-3/models").exists(),
        "nothing was to be saved"
    );

    // What is missing is made again, from the same update, and nothing else is.
    let lost = place.path("out/seed-4/steps/lora-topk/result.json");
    let before = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let again = place.engraft(&words);
    assert!(
        again.err.contains("lora: was not stored, made again"),
        "{}",
        again.err
    );
    assert_eq!(
        again.err.matches("finished before").count(),
        5,
        "{}",
        again.err
    );
    let measured = |bytes: &[u8]| {
        let result: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        result["entry"]["measurements"].clone()
    };
    assert_eq!(measured(&before), measured(&fs::read(&lost).unwrap()));
}

#[test]
fn the_short_form_runs_what_it_names() {
    let place = place();
    let told = place
        .engraft(&["run", "recipe.yaml", "--quick", "--out", "out"])
        .done();
    assert!(
        told.contains("lora") && !told.contains("lora-topk"),
        "{told}"
    );
    assert!(!place.path("out/seed-4").exists());
    place.write("recipe.yaml", RECIPE.replace("[lora]", "[kore]"));
    let words = ["run", "recipe.yaml", "--quick", "--out", "other"];
    place.refuses(&words, 1, &["--quick", "`kore`, which is not there"]);
    place.write("recipe.yaml", RECIPE.replace("seeds: 2", "seeds: 0"));
    place.refuses(
        &["run", "recipe.yaml", "--out", "other"],
        1,
        &["seeds is 0"],
    );
}
