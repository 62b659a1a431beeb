//! A verb of the command line is a recipe of one step.

use crate::support::{Workplace, numbers, records, trained_model};

#[test]
fn distilling_by_flags_ends_with_the_numbers_of_the_recipe() {
    let place = Workplace::new();
    trained_model(&place, "teacher");
    place.write("houses.jsonl", records(9));
    place.write(
        "distill.yaml",
        "
data: { data: { jsonl: houses.jsonl } }
models:
  teacher: teacher
  student: { gpt: { layers: 1, width: 8, heads: 2, context: 32 } }
steps:
  - distill:
      { name: distilled, teacher: teacher, student: student, on: data, method: { taid: { t_start: 0.3 } },
        label_weight: 0.25, steps: 25, batch: 4, warmup: 2, lr: 5e-3, seed: 5 }
",
    );
    place
        .engraft(&["run", "distill.yaml", "--out", "by-recipe"])
        .done();
    let words = [
        "distill",
        "--teacher",
        "teacher",
        "--student",
        "{gpt: {layers: 1, width: 8, heads: 2, context: 32}}",
        "--data",
        "houses.jsonl",
        "--method",
        "taid",
        "--t-start",
        "0.3",
        "--label-weight",
        "0.25",
        "--steps",
        "25",
        "--batch",
        "4",
        "--warmup",
        "2",
        "--lr",
        "5e-3",
        "--seed",
        "5",
        "--out",
        "by-flags",
    ];
    place.engraft(&words).done();
    let by_recipe = numbers(&place, "by-recipe/ledger.jsonl");
    assert_eq!(by_recipe.len(), 1);
    assert_eq!(
        by_recipe[0]["config"]["work"]["distill"]["settings"]["t_start"],
        0.3f32
    );
    assert_eq!(numbers(&place, "by-flags/ledger.jsonl"), by_recipe);
    let weights =
        |run: &str| std::fs::read(place.path(format!("{run}/models/distilled/model.safetensors")));
    assert_eq!(weights("by-flags").unwrap(), weights("by-recipe").unwrap());
}

#[test]
fn teaching_by_flags_ends_with_the_numbers_of_the_recipe() {
    let place = Workplace::new();
    trained_model(&place, "model");
    place.write("new.jsonl", records(15).replace("house", "boat"));
    place.write("old.jsonl", records(12));
    place.write(
        "teach.yaml",
        "
data: { data: { jsonl: new.jsonl }, kept: { jsonl: old.jsonl } }
models: { model: model }
steps:
  - teach:
      { name: taught, model: model, on: data, keep: [kept], replay: kept, replay_share: 0.5,
        steps: 20, batch: 4, warmup: 2 }
",
    );
    place
        .engraft(&["run", "teach.yaml", "--out", "by-recipe"])
        .done();
    let words = [
        "teach",
        "--model",
        "model",
        "--data",
        "new.jsonl",
        "--keep",
        "old.jsonl",
        "--replay-share",
        "0.5",
        "--steps",
        "20",
        "--batch",
        "4",
        "--warmup",
        "2",
        "--out",
        "by-flags",
    ];
    let printed = place.engraft(&words).done();
    assert!(printed.contains("taught"), "{printed}");
    let by_recipe = numbers(&place, "by-recipe/ledger.jsonl");
    assert!(by_recipe[0]["kept_before"].is_object() && by_recipe[0]["spill"].is_object());
    assert_eq!(numbers(&place, "by-flags/ledger.jsonl"), by_recipe);
}
