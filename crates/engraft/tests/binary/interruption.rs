//! Killed, interrupted, run twice at once: nothing is lost and nothing is different.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command},
    thread::sleep,
    time::Duration,
};

use crate::support::{Told, Workplace, numbers};

/// Two steps long enough to be caught in the middle, however late this test looks.
const LONG: &str = "
seed: 3
data:
  people: { biographies: { people: 12 } }
models:
  teacher: { gpt: { layers: 2, width: 32, heads: 2, context: 64 } }
  student: { gpt: { layers: 1, width: 16, heads: 2, context: 64 } }
steps:
  - train: { name: teacher, model: teacher, on: people, steps: 300, batch: 8, lr: 4e-3, warmup: 3, checkpoint_every: 10 }
  - distill: { name: student, teacher: teacher, student: student, on: people, method: taid, steps: 300, batch: 8, lr: 4e-3, warmup: 3, checkpoint_every: 10 }
";

const RUN: [&str; 4] = ["run", "long.yaml", "--out", "out"];

fn long() -> Workplace {
    let place = Workplace::new();
    place.write("long.yaml", LONG);
    place
}

/// Waits until a file stands there; fails if the program ends before.
fn wait_for(path: &Path, child: &mut Child) {
    while !path.exists() {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            panic!("ended with {status} before {} was there", path.display());
        }
        sleep(Duration::from_millis(1));
    }
}

/// SIGKILL as soon as a file stands there.
fn kill_at(place: &Workplace, file: &str) {
    let mut child = place.start(&RUN);
    wait_for(&place.path(file), &mut child);
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
}

/// What an uninterrupted run of the recipe finds.
fn uninterrupted(place: &Workplace) -> Vec<serde_json::Value> {
    place
        .engraft(&["run", "long.yaml", "--out", "whole"])
        .done();
    numbers(place, "whole/ledger.jsonl")
}

#[test]
fn a_killed_run_continues_to_the_same_numbers() {
    let place = long();
    kill_at(&place, "out/steps/teacher/checkpoint.safetensors");
    kill_at(&place, "out/steps/teacher/result.json");
    kill_at(&place, "out/steps/student/checkpoint.safetensors");
    // What a kill in the middle of a write leaves behind.
    place.write("out/models/.writing-x/model.safetensors", "half");
    place.write("out/models/.replaced-x/old/config.json", "{}");
    place.write("out/steps/student/checkpoint.safetensors.partial", "half");
    place.write("out/steps/student/.file-x", "half");

    let told = place.engraft(&RUN);
    assert!(
        told.err.contains("teacher: finished before, skipped"),
        "{}",
        told.err
    );
    assert!(told.err.contains("continuing from step "), "{}", told.err);
    told.done();
    assert_eq!(numbers(&place, "out/ledger.jsonl"), uninterrupted(&place));
    for file in place.files().keys() {
        let name = file.file_name().unwrap().to_string_lossy();
        let left = name.starts_with('.') && name != ".lock";
        assert!(!left && !name.contains("partial"), "{}", file.display());
        assert!(!name.starts_with("checkpoint"), "{}", file.display());
    }
}

#[test]
fn a_checkpoint_that_a_kill_left_beside_its_result_goes_with_the_next_run() {
    let place = Workplace::with_small_recipe();
    let run = ["run", "small.yaml", "--out", "out"];
    place.engraft(&run).done();
    place.write(
        "out/steps/teacher/checkpoint.safetensors",
        "of a finished step",
    );
    place.engraft(&run).done();
    assert!(
        !place
            .path("out/steps/teacher/checkpoint.safetensors")
            .exists()
    );
}

#[test]
fn a_torn_last_line_of_the_ledger_is_mended() {
    let place = Workplace::with_small_recipe();
    let run = ["run", "small.yaml", "--out", "out"];
    place.engraft(&run).done();
    let whole = numbers(&place, "out/ledger.jsonl");
    let text = place.read("out/ledger.jsonl");
    place.write("out/ledger.jsonl", &text[..text.len() - 100]);
    place.engraft(&run).done();
    assert_eq!(numbers(&place, "out/ledger.jsonl"), whole);
}

#[test]
fn a_model_that_was_changed_after_its_step_is_made_again() {
    let place = Workplace::with_small_recipe();
    let run = ["run", "small.yaml", "--out", "out"];
    place.engraft(&run).done();
    let weights = place.path("out/models/student-text/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&weights, changed).unwrap();
    let told = place.engraft(&run);
    assert!(
        told.err.contains("student-text: 30 steps to go"),
        "{}",
        told.err
    );
    told.done();
    assert_eq!(fs::read(&weights).unwrap(), whole);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_with_one_sentence_and_the_next_run_continues() {
    let place = long();
    let mut child = place.start(&RUN);
    let checkpoint = place.path("out/steps/teacher/checkpoint.safetensors");
    wait_for(&checkpoint, &mut child);
    let interrupt = format!("kill -INT {}", child.id());
    let sent = Command::new("sh").args(["-c", &interrupt]).status();
    assert!(sent.expect("a shell").success());
    let told = Told::of(child.wait_with_output().expect("a child of ours"));
    assert_eq!(told.code, Some(130), "{}", told.err);
    let last = told.err.lines().last().unwrap_or_default();
    assert!(last.contains(": stopped at step "), "{}", told.err);
    assert!(
        last.contains("run it again to continue from out/steps/"),
        "{}",
        told.err
    );
    assert_eq!(told.err.matches("stopped").count(), 1, "{}", told.err);
    assert!(!told.err.contains("error"), "{}", told.err);
    assert!(!place.path("out/report.html").exists());

    let told = place.engraft(&RUN);
    assert!(told.err.contains("continuing from step "), "{}", told.err);
    told.done();
    assert_eq!(numbers(&place, "out/ledger.jsonl"), uninterrupted(&place));
}

#[test]
fn a_second_run_in_the_same_folder_is_refused_while_the_first_works() {
    let place = Workplace::with_small_recipe();
    place.write("out/.lock", "");
    let lock = File::open(place.path("out/.lock")).unwrap();
    lock.lock().unwrap();
    let run = ["run", "small.yaml", "--out", "out"];
    place.refuses(&run, 1, &["another run works in out", "--out"]);
    lock.unlock().unwrap();
    place.engraft(&run).done();
}
