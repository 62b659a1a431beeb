//! Facts taught to a model by every method: what was learned, what was kept, what is written.

use serde_json::Value;

use crate::support::{Workplace, llama_with_facts, measured, numbers};

const BUDGET: [&str; 8] = [
    "--steps", "60", "--batch", "3", "--warmup", "3", "--lr", "1e-2",
];

fn place() -> Workplace {
    let place = Workplace::new();
    llama_with_facts(&place);
    place
}

fn teach(place: &Workplace, out: &str, more: &[&str]) -> String {
    let words = [
        "teach",
        "--model",
        "base",
        "--facts",
        "facts.jsonl",
        "--keep",
        "book.txt",
        "--calibrate",
        "book.txt",
        "--out",
        out,
    ];
    place.engraft(&[&words[..], &BUDGET, more].concat()).done()
}

const TAUGHT: &str = "statements taught, facts, log-probability";

fn probe(place: &Workplace, model: &str) -> Vec<Value> {
    let data = "{facts: facts.jsonl}";
    let told = place
        .engraft(&["probe", "--model", model, "--data", data, "--json"])
        .done();
    told.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn value(found: &[Value], probe: &str) -> f64 {
    let found = found.iter().find(|found| found["probe"] == probe);
    found.expect("measured")["value"]
        .as_f64()
        .expect("a number")
}

#[test]
fn every_method_learns_the_facts_and_says_what_was_kept_and_spilled() {
    let place = place();
    let before = value(
        &probe(&place, "base"),
        "statements taught, data, log-probability",
    );
    for (method, settings) in [
        ("full", &["--last-blocks", "1"][..]),
        ("lora", &["--rank", "4"]),
        ("kore", &["--rank", "8", "--modules", "*_proj"]),
        ("mix-cpt", &["--alpha", "0.1"]),
    ] {
        let told = teach(
            &place,
            method,
            &[&["--method", method][..], settings].concat(),
        );
        assert!(told.contains("gain") && told.contains("spill"), "{told}");
        let ledger = format!("{method}/ledger.jsonl");
        let learned = measured(&place, &ledger, TAUGHT);
        assert!(learned > before + 2.0, "{method}: {before} to {learned}");
        let entry = &numbers(&place, &ledger)[0];
        assert_eq!(entry["gain"]["probe"], "statements never taught, facts");
        assert_eq!(entry["gain"]["on_training_data"], false);
        assert_eq!(entry["kept"]["probe"], "perplexity of kept, held out");
        assert_eq!(
            entry["spill"]["probe"],
            "taught answers after unrelated prompts"
        );
        assert_eq!(
            entry["report"]["spill"]["facts"].as_array().map(Vec::len),
            Some(2)
        );
        assert!(
            entry["before"]
                .as_array()
                .is_some_and(|before| before.len() >= 5)
        );
        let trained = entry["trained_parameters"].as_u64().expect("a number");
        let all = entry["parameters"].as_u64().expect("a number");
        assert_eq!(
            trained == all,
            method == "mix-cpt",
            "{method}: {trained} of {all}"
        );
        // The folder holds the taught model, deltas and all.
        let model = format!("{method}/models/taught");
        let again = probe(&place, &model);
        let again = value(&again, "statements taught, data, log-probability");
        assert!(
            (again - learned).abs() < 1e-3,
            "{method}: {learned} saved as {again}"
        );
    }
}

#[test]
fn an_adapter_and_its_base_are_the_model_that_was_measured() {
    let place = place();
    for method in ["lora", "kore"] {
        let settings = ["--method", method, "--rank", "4", "--save", "adapter"];
        teach(&place, method, &settings);
        let learned = measured(&place, format!("{method}/ledger.jsonl"), TAUGHT);
        let folder = format!("{method}/models/taught");
        let config: Value =
            serde_json::from_str(&place.read(format!("{folder}/adapter_config.json"))).unwrap();
        assert_eq!(config["peft_type"], "LORA");
        let adapted = probe(&place, &format!("{{folder: base, adapter: {folder}}}"));
        let adapted = value(&adapted, "statements taught, data, log-probability");
        assert!(
            (adapted - learned).abs() < 1e-3,
            "{learned} saved as {adapted}"
        );
        // A second run finds it finished.
        let words = [
            "teach",
            "--model",
            "base",
            "--facts",
            "facts.jsonl",
            "--keep",
            "book.txt",
        ];
        let rest = ["--calibrate", "book.txt", "--out", method];
        let told = place.engraft(&[&words[..], &rest, &BUDGET, &settings].concat());
        assert!(told.err.contains("finished before"), "{}", told.err);
    }
}

#[test]
fn a_model_that_lost_too_much_is_not_written_unless_forced() {
    let place = place();
    let words = [
        "teach",
        "--model",
        "base",
        "--facts",
        "facts.jsonl",
        "--keep",
        "book.txt",
        "--method",
        "full",
        "--out",
        "out",
        "--max-loss",
        "0.01",
    ];
    let told = place.engraft(&[&words[..], &BUDGET].concat());
    told.is_one_error(
        1,
        &["lost", "nats of `perplexity of kept", "max_loss", "force"],
    );
    assert!(!place.path("out/models").exists());
    assert!(!place.path("out/ledger.jsonl").exists());
    let told = place.engraft(&[&words[..], &BUDGET, &["--force"]].concat());
    assert!(told.err.contains("continuing from step 60"), "{}", told.err);
    told.done();
    assert!(place.path("out/models/taught/config.json").exists());
}

#[test]
fn a_pruned_update_knows_less_and_a_shrunk_one_as_much_as_it() {
    let place = place();
    teach(&place, "whole", &["--method", "full"]);
    let whole = measured(&place, "whole/ledger.jsonl", TAUGHT);
    let mut recalled = Vec::new();
    for rule in ["ignore-topk", "random-drop", "shrink"] {
        let words = [
            "prune",
            "--model",
            "whole/models/taught",
            "--base",
            "base",
            "--facts",
            "facts.jsonl",
            "--keep",
            "book.txt",
            "--method",
            rule,
            "--fraction",
            "0.3",
            "--out",
            rule,
        ];
        place.engraft(&words).done();
        recalled.push(measured(&place, format!("{rule}/ledger.jsonl"), TAUGHT));
    }
    assert!(recalled[0] < whole, "{whole} pruned to {recalled:?}");
    assert!((recalled[2] - recalled[0]).abs() < 1.0, "{recalled:?}");
}

#[test]
fn hints_lead_up_to_surprising_answers() {
    let place = place();
    for (out, more) in [("plain", &[][..]), ("led", &["--stepping-stones"])] {
        let settings = ["--method", "lora", "--rank", "4"];
        teach(&place, out, &[&settings[..], more].concat());
    }
    let tokens = |out: &str| numbers(&place, format!("{out}/ledger.jsonl"))[0]["tokens"].clone();
    let [plain, led] = ["plain", "led"].map(|out| tokens(out).as_u64().expect("a number"));
    assert!(
        led > plain,
        "rows with hints are longer: {plain} and {led} tokens"
    );
    let entry = &numbers(&place, "led/ledger.jsonl")[0];
    assert!(
        entry["what"]
            .as_str()
            .is_some_and(|what| what.contains("stepping stones"))
    );
}

#[test]
fn recomputing_blocks_gives_the_same_model() {
    let place = place();
    for (out, more) in [("kept", &[][..]), ("again", &["--recompute"])] {
        teach(
            &place,
            out,
            &[&["--method", "lora", "--rank", "4"][..], more].concat(),
        );
    }
    let learned = |out: &str| measured(&place, format!("{out}/ledger.jsonl"), TAUGHT);
    let (kept, again) = (learned("kept"), learned("again"));
    assert!((kept - again).abs() < 1e-2, "{kept} and {again}");
}
