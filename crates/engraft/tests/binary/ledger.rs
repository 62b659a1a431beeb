//! Looking at what past runs gained, kept and spilled.

use serde_json::Value;

use crate::support::{Workplace, numbers};

fn run() -> Workplace {
    let place = Workplace::with_small_recipe();
    place.engraft(&["run", "small.yaml", "--out", "out"]).done();
    place
}

fn ledger(place: &Workplace, words: &[&str]) -> String {
    let file = ["ledger", "--ledger", "out/ledger.jsonl"];
    place.engraft(&[&file[..], words].concat()).done()
}

#[test]
fn show_prints_the_table_of_the_run_in_straight_columns() {
    let place = run();
    let printed = ledger(&place, &["show"]);
    let ran = place.engraft(&["run", "small.yaml", "--out", "out"]).done();
    assert!(
        ran.contains(&printed),
        "the run prints the same table:\n{ran}\n{printed}"
    );
    let lines: Vec<Vec<char>> = printed.lines().map(|line| line.chars().collect()).collect();
    assert_eq!(lines.len(), 1 + 6);
    let header: String = lines[0].iter().collect();
    for column in ["gain", "kept (before)", "spill"] {
        let at = header.find(column).unwrap();
        for line in &lines {
            assert!(
                line[at - 1] == ' ' && line[at] != ' ',
                "{column}\n{printed}"
            );
        }
    }
}

#[test]
fn show_of_one_entry_is_its_json_by_name_or_id() {
    let place = run();
    let by_name: Value = serde_json::from_str(&ledger(&place, &["show", "student-taid"])).unwrap();
    assert_eq!(by_name["step"], "student-taid");
    assert_eq!(by_name["config"]["work"]["distill"]["method"], "taid");
    let id = by_name["id"].as_str().unwrap();
    let by_id: Value = serde_json::from_str(&ledger(&place, &["show", &id[..10]])).unwrap();
    assert_eq!(by_id, by_name);
}

#[test]
fn diff_names_changed_settings_and_every_measurement() {
    let place = run();
    let told = ledger(&place, &["diff", "taught-naively", "taught-with-replay"]);
    assert!(
        told.contains("work.learn.replay_share: 0.0 → 0.5"),
        "{told}"
    );
    assert!(told.contains("replay: – → people"), "{told}");
    let entries = numbers(&place, "out/ledger.jsonl");
    for found in entries[5]["measurements"].as_array().unwrap() {
        let probe = found["probe"].as_str().unwrap();
        assert!(told.contains(&format!("  {probe}: ")), "{probe}\n{told}");
    }
    let same = ledger(&place, &["diff", "teacher", "teacher"]);
    assert!(same.contains("no difference"), "{same}");
}

#[test]
fn lineage_leads_back_to_the_teacher_and_the_data() {
    let place = run();
    let told = ledger(&place, &["lineage", "taught-with-replay"]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("taught-with-replay ["), "{told}");
    assert!(lines[1].starts_with("  student-kl ["), "{told}");
    assert!(
        lines.iter().any(|line| line.starts_with("    teacher [")),
        "{told}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("      model: teacher [")),
        "{told}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("  replay: people [")),
        "{told}"
    );
}

#[test]
fn what_is_no_ledger_or_no_entry_is_said_with_the_way_out() {
    let place = run();
    let file = ["ledger", "--ledger", "out/ledger.jsonl"];
    let unknown = [&file[..], &["show", "nobody"]].concat();
    place.refuses(
        &unknown,
        1,
        &["no entry `nobody`", "out/ledger.jsonl", "student-kl"],
    );
    let elsewhere = ["ledger", "show", "--ledger", "nowhere.jsonl"];
    place.refuses(
        &elsewhere,
        1,
        &["there is no ledger nowhere.jsonl", "--ledger"],
    );
    place.write("notes.txt", "dear diary\n");
    let other = ["ledger", "show", "--ledger", "notes.txt"];
    place.refuses(&other, 1, &["notes.txt, line 1", "not a ledger entry"]);
}

#[test]
fn a_damaged_ledger_stops_a_run_before_it_trains() {
    let place = run();
    let text = place.read("out/ledger.jsonl");
    place.write("out/ledger.jsonl", text.replacen('{', "(", 2));
    let told = place.engraft(&["run", "small.yaml", "--out", "out", "--set", "seed=8"]);
    told.is_one_error(1, &["out/ledger.jsonl, line 1", "restore the line"]);
    assert!(!told.err.contains("steps to go"), "{}", told.err);
}

#[test]
fn a_model_of_the_run_can_be_probed_on_its_own() {
    let place = run();
    let people = "{biographies: {people: 12, seed: 7}}";
    let words = [
        "probe",
        "--model",
        "out/models/student-kl",
        "--data",
        people,
    ];
    let printed = place.engraft(&[&words[..], &["--json"]].concat()).done();
    let found: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let entries = numbers(&place, "out/ledger.jsonl");
    let entered = entries[1]["measurements"].as_array().unwrap();
    for probed in &found {
        let name = probed["probe"]
            .as_str()
            .unwrap()
            .replace(", data", ", people");
        let same = entered
            .iter()
            .find(|entered| entered["probe"] == name.as_str());
        let same = same.unwrap_or_else(|| panic!("{name} is not in the ledger"));
        assert_eq!(probed["value"], same["value"], "{name}");
    }
    let table = place.engraft(&words).done();
    assert_eq!(table.lines().count(), found.len());
    assert!(table.contains("  n 60  95 %: "), "{table}");
}
