//! Places that cannot be written to, or belong to somebody else.

#[cfg(target_os = "linux")]
use crate::support::Disk;
use crate::support::{Workplace, numbers};

#[test]
fn a_file_in_the_place_of_the_folder_is_left_alone() {
    let place = Workplace::with_small_recipe();
    place.write("taken", "my notes");
    for out in ["taken", "taken/below"] {
        let said = [out, "choose", "--out"];
        place.refuses(&["run", "small.yaml", "--out", out], 1, &said);
    }
    assert_eq!(place.read("taken"), "my notes");
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let place = Workplace::with_small_recipe();
    place.write("mine/thesis.txt", "years of work");
    let said = ["mine is no folder of a run", "thesis.txt", "--out"];
    for more in [&[][..], &["--dry-run"]] {
        let words = [&["run", "small.yaml", "--out", "mine"][..], more].concat();
        place.refuses(&words, 1, &said);
    }
    place.write("all/seed-7/thesis.txt", "years of work");
    let compare = [
        "compare",
        "small.yaml",
        "--methods",
        "kl,jsd",
        "--seeds",
        "1",
        "--out",
        "all",
    ];
    place.refuses(
        &compare,
        1,
        &["all/seed-7 is no folder of a run", "thesis.txt"],
    );
    std::fs::create_dir(place.path("empty")).unwrap();
    place
        .engraft(&["run", "small.yaml", "--out", "empty"])
        .done();
}

#[test]
fn a_model_folder_with_other_things_in_it_is_left_alone() {
    let place = Workplace::with_small_recipe();
    place.write("out/.lock", "");
    place.write("out/models/student-kl/notes.txt", "years of work");
    let said = [
        "out/models/student-kl is there and is no model folder",
        "move it away",
        "--out",
    ];
    place.refuses(&["run", "small.yaml", "--out", "out"], 1, &said);
}

#[test]
fn names_of_steps_and_runs_stay_inside_the_folder() {
    let place = Workplace::with_small_recipe();
    for name in ["../../evil", "a/b", "..", ".hidden", ""] {
        for key in ["name", "steps.0.train.name"] {
            let change = format!("{key}={name:?}");
            let words = ["run", "small.yaml", "--out", "out", "--set", &change];
            place.refuses(&words, 1, &["becomes the name of a folder", name]);
        }
    }
}

#[test]
fn runs_of_a_recipe_go_beside_each_other_under_its_name() {
    let place = Workplace::with_small_recipe();
    let methods = ["--methods", "kl,jsd", "--seeds", "1"];
    place
        .engraft(&[&["compare", "small.yaml"][..], &methods].concat())
        .done();
    place.engraft(&["run", "small.yaml"]).done();
    assert!(place.path("runs/small/compare/compare.json").exists());
    assert_eq!(numbers(&place, "runs/small/ledger.jsonl").len(), 6);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_with_one_error_and_more_room_lets_the_run_continue() {
    let place = Workplace::with_small_recipe();
    let Some(disk) = Disk::of_one_megabyte(place.path("disk")) else {
        return;
    };
    // Three thousand numbers a unit of width: the models fill the disk some steps into the recipe.
    let run = [
        "run",
        "small.yaml",
        "--out",
        "disk/out",
        "--set",
        "models.student.gpt.width=96",
        "--set",
        "steps.1.distill.checkpoint_every=5",
    ];
    let told = place.engraft(&run);
    told.is_one_error(1, &["disk/out/", "No space left on device"]);
    for file in place.files().keys() {
        let name = file.file_name().unwrap().to_string_lossy();
        let left = name.starts_with('.') && name != ".lock";
        assert!(!left && !name.ends_with(".partial"), "{}", file.display());
    }
    let models = std::fs::read_dir(place.path("disk/out/models")).unwrap();
    for model in models.map(|model| model.unwrap().path()) {
        assert_eq!(
            std::fs::read_dir(&model).unwrap().count(),
            5,
            "{} is whole",
            model.display()
        );
    }

    disk.grow();
    place.engraft(&run).done();
    let elsewhere = [&run[..3], &["out"], &run[4..]].concat();
    place.engraft(&elsewhere).done();
    assert_eq!(
        numbers(&place, "disk/out/ledger.jsonl"),
        numbers(&place, "out/ledger.jsonl")
    );
}
