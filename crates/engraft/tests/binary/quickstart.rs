//! The recipe a new user runs first, made small.

use serde_json::Value;

use crate::support::{Workplace, numbers};

const STEPS: [&str; 6] = [
    "teacher",
    "student-kl",
    "student-taid",
    "student-text",
    "taught-naively",
    "taught-with-replay",
];

#[test]
fn a_run_trains_distils_teaches_and_leaves_models_a_ledger_and_a_report() {
    let place = Workplace::with_small_recipe();
    let printed = place.engraft(&["run", "small.yaml", "--out", "out"]).done();
    let table: Vec<&str> = printed.lines().collect();
    for step in STEPS {
        assert!(
            table.iter().any(|line| line.starts_with(step)),
            "{step}: {printed}"
        );
    }
    for column in [
        "gain",
        "kept (before)",
        "spill",
        "time",
        "memory",
        "bits/parameter",
    ] {
        assert!(printed.contains(column), "{column}: {printed}");
    }

    let entries = numbers(&place, "out/ledger.jsonl");
    let names: Vec<&str> = entries
        .iter()
        .map(|entry| entry["step"].as_str().unwrap())
        .collect();
    assert_eq!(names, STEPS);
    for entry in &entries {
        let taught = entry["verb"] == "teach";
        for (part, there) in [("gain", true), ("kept", taught), ("spill", taught)] {
            assert_eq!(
                entry[part].is_object(),
                there,
                "{part} of {}",
                entry["step"]
            );
            if there {
                let (value, n) = (entry[part]["value"].as_f64(), entry[part]["n"].as_u64());
                assert!(value.unwrap().is_finite() && n.unwrap() > 0, "{entry}");
                assert!(entry[part]["interval"]["low"].is_f64(), "{entry}");
            }
        }
        let name = entry["step"].as_str().unwrap();
        a_hugging_face_folder(&place, &format!("out/models/{name}"));
    }
    self_contained(&place.read("out/report.html"));
}

fn a_hugging_face_folder(place: &Workplace, folder: &str) {
    let json = |file: &str| -> Value {
        serde_json::from_str(&place.read(format!("{folder}/{file}"))).unwrap()
    };
    let (config, tokenizer) = (json("config.json"), json("tokenizer.json"));
    assert_eq!(config["model_type"], "engraft-gpt");
    let words = tokenizer["model"]["vocab"].as_object().unwrap().len();
    assert_eq!(config["vocab_size"], words);
    let weights = std::fs::read(place.path(format!("{folder}/model.safetensors"))).unwrap();
    assert!(weights.len() > 4 * words, "{folder}");
    let count = std::fs::read_dir(place.path(folder)).unwrap().count();
    assert_eq!(count, 5, "only the model's files stand in {folder}");
}

fn self_contained(page: &str) {
    assert!(page.contains("<svg") && page.contains("</html>"));
    for step in STEPS {
        assert!(page.contains(step), "{step}");
    }
    for outside in [
        "src=\"http",
        "href=\"http",
        "url(http",
        "@import",
        "<script src",
        "<link",
    ] {
        assert!(!page.contains(outside), "the page reaches out: {outside}");
    }
}

#[test]
fn a_second_run_skips_every_finished_step_and_says_the_same() {
    let place = Workplace::with_small_recipe();
    let run = || place.engraft(&["run", "small.yaml", "--out", "out"]);
    let first = run().done();
    let (ledger, entries) = (
        place.read("out/ledger.jsonl"),
        numbers(&place, "out/ledger.jsonl"),
    );
    let second = run();
    for step in STEPS {
        let skipped = format!("{step}: finished before, skipped");
        assert!(second.err.contains(&skipped), "{}", second.err);
    }
    assert!(!second.err.contains("steps to go"), "{}", second.err);
    assert_eq!(second.done(), first, "the same table, times included");
    assert_eq!(
        place.read("out/ledger.jsonl"),
        ledger,
        "nothing is entered twice"
    );

    // Elsewhere and from the beginning: the same recipe and seed give the same numbers.
    place
        .engraft(&["run", "small.yaml", "--out", "again"])
        .done();
    assert_eq!(numbers(&place, "again/ledger.jsonl"), entries);
}

#[test]
fn a_changed_step_is_run_again_and_so_is_what_rests_on_it_but_nothing_else() {
    let place = Workplace::with_small_recipe();
    place.engraft(&["run", "small.yaml", "--out", "out"]).done();
    let change = "steps.1.distill.steps=25";
    let told = place.engraft(&["run", "small.yaml", "--out", "out", "--set", change]);
    for (step, skipped) in STEPS
        .into_iter()
        .zip([true, false, true, true, false, false])
    {
        let said = told
            .err
            .contains(&format!("{step}: finished before, skipped"));
        assert_eq!(said, skipped, "{step}: {}", told.err);
    }
    told.done();
    assert_eq!(numbers(&place, "out/ledger.jsonl").len(), STEPS.len() + 3);
}

#[test]
fn a_model_of_the_same_numbers_but_other_heads_is_another_model() {
    let place = Workplace::with_small_recipe();
    let run = |set: &str| place.engraft(&["run", "small.yaml", "--out", "out", "--set", set]);
    run("models.student.gpt.heads=2").done();
    let told = run("models.student.gpt.heads=4");
    for (step, skipped) in STEPS
        .into_iter()
        .zip([true, false, false, false, false, false])
    {
        let said = told
            .err
            .contains(&format!("{step}: finished before, skipped"));
        assert_eq!(said, skipped, "{step}: {}", told.err);
    }
    told.done();
    // How often a checkpoint is written changes no number.
    let told = run("models.student.gpt.heads=4");
    let often = place.engraft(&[
        "run",
        "small.yaml",
        "--out",
        "out",
        "--set",
        "models.student.gpt.heads=4",
        "--set",
        "steps.0.train.checkpoint_every=3",
    ]);
    told.done();
    assert_eq!(
        often.err.matches("finished before, skipped").count(),
        STEPS.len()
    );
    often.done();
}

#[test]
fn a_dry_run_prints_every_default_and_writes_nothing() {
    let place = Workplace::with_small_recipe();
    let before = place.files();
    let words = [
        "run",
        "small.yaml",
        "--dry-run",
        "--set",
        "steps.0.train.lr=0.125",
    ];
    let printed = place.engraft(&words).done();
    assert_eq!(place.files(), before);
    let plan: Value = serde_yaml_ng::from_str(&printed).unwrap();
    assert_eq!(plan["steps"].as_array().unwrap().len(), STEPS.len());
    let first = &plan["steps"][0]["train"];
    assert_eq!(first["lr"], 0.125, "--set reaches the plan");
    assert_eq!(
        (&first["clip"], &first["optimizer"]),
        (&1.0.into(), &"adamw".into())
    );
    assert_eq!(plan["steps"][5]["work"]["learn"]["replay_share"], 0.5);
    assert_eq!(plan["out"], "runs/small");
    assert!(
        plan["models"]["teacher"]
            .as_str()
            .unwrap()
            .contains("parameters")
    );
}

#[test]
fn the_embedded_quickstart_has_a_plan() {
    let place = Workplace::new();
    let printed = place.engraft(&["run", "quickstart", "--dry-run"]).done();
    let plan: Value = serde_yaml_ng::from_str(&printed).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let names: Vec<&str> = steps
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names, STEPS,
        "the recipe tested here is the quickstart made small"
    );
}
