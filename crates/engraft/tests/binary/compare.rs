//! Methods against each other over seeds.

use serde_json::Value;

use crate::support::Workplace;

const METHODS: [&str; 4] = ["kl", "reverse-kl", "jsd", "taid"];

fn compare(place: &Workplace) -> (String, Value) {
    let methods = METHODS.join(",");
    let words = [
        "compare",
        "small.yaml",
        "--methods",
        &methods,
        "--seeds",
        "2",
        "--out",
        "all",
    ];
    let printed = place.engraft(&words).done();
    (
        printed,
        serde_json::from_str(&place.read("all/compare.json")).unwrap(),
    )
}

#[test]
fn methods_are_compared_seed_by_seed_with_intervals() {
    let place = Workplace::with_small_recipe();
    let (printed, written) = compare(&place);
    assert!(
        printed.contains("4 methods, 2 seeds, one budget"),
        "{printed}"
    );
    assert!(
        printed.contains("paired by seed") && printed.contains("baseline"),
        "{printed}"
    );
    for method in METHODS {
        let mut lines = printed.lines();
        assert!(
            lines.any(|line| line.trim_start().starts_with(method)),
            "{method}: {printed}"
        );
    }

    assert_eq!(written["methods"], serde_json::json!(METHODS));
    assert_eq!(
        written["seeds"],
        serde_json::json!([7, 8]),
        "counted from the recipe's own"
    );
    let standings = written["standings"].as_array().unwrap();
    assert!(standings.len() > METHODS.len() && standings.len() % METHODS.len() == 0);
    for probe in standings.chunks(METHODS.len()) {
        let base = numbers(&probe[0]["values"]);
        for (standing, method) in probe.iter().zip(METHODS) {
            assert_eq!(standing["method"], method);
            assert_eq!(standing["probe"], probe[0]["probe"]);
            let values = numbers(&standing["values"]);
            assert_eq!(values.len(), 2);
            let differences: Vec<f64> = values.iter().zip(&base).map(|(a, b)| a - b).collect();
            let mean = differences.iter().sum::<f64>() / 2.0;
            let said = standing["difference"].as_f64().unwrap();
            assert!((said - mean).abs() < 1e-12, "{standing}");
            let [low, high] = ["low", "high"].map(|end| standing["interval"][end].as_f64());
            assert!(low.unwrap() <= mean && mean <= high.unwrap(), "{standing}");
        }
    }
    let differ = |standing: &&Value| standing["difference"].as_f64().unwrap() != 0.0;
    assert!(
        standings.iter().filter(differ).count() > 4,
        "methods do not differ: {printed}"
    );
}

#[test]
fn a_second_comparison_takes_up_the_finished_runs() {
    let place = Workplace::with_small_recipe();
    let (first, _) = compare(&place);
    let told = place.engraft(&[
        "compare",
        "small.yaml",
        "--methods",
        &METHODS.join(","),
        "--seeds",
        "2",
        "--out",
        "all",
    ]);
    let skipped = told.err.matches("finished before, skipped").count();
    assert_eq!(
        skipped,
        2 * (1 + METHODS.len()),
        "a teacher and its students a seed"
    );
    assert_eq!(told.done(), first);
}

#[test]
fn a_teacher_trained_under_its_default_name_is_found() {
    let place = Workplace::new();
    let small = crate::support::SMALL;
    let renamed = small
        .replace("name: teacher, ", "")
        .replace("teacher: teacher, ", "teacher: train-teacher, ");
    place.write("small.yaml", renamed);
    let words = [
        "compare",
        "small.yaml",
        "--methods",
        "kl,jsd",
        "--seeds",
        "1",
        "--out",
        "all",
    ];
    let printed = place.engraft(&words).done();
    assert!(printed.contains("one seed: no interval"), "{printed}");
    assert!(
        place
            .path("all/seed-7/models/train-teacher/config.json")
            .exists()
    );
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_runs() {
    let place = Workplace::with_small_recipe();
    place.write(
        "plain.yaml",
        "data: {}\nmodels: {}\nsteps: [{train: {model: a, on: b}}]\n",
    );
    let refuse = |recipe: &str, methods: &str, seeds: &str, code: i32, said: &[&str]| {
        let words = [
            "compare",
            recipe,
            "--methods",
            methods,
            "--seeds",
            seeds,
            "--out",
            "all",
        ];
        place.refuses(&words, code, said)
    };
    refuse(
        "small.yaml",
        "kl,taidd",
        "2",
        1,
        &["`taidd`", "did you mean `taid`?"],
    );
    refuse("small.yaml", "kl", "2", 1, &["--methods needs two or more"]);
    refuse(
        "small.yaml",
        "kl,jsd,kl",
        "2",
        1,
        &["--methods names `kl` twice"],
    );
    refuse("small.yaml", "kl,jsd", "0", 2, &["--seeds", "1..=1000"]);
    refuse("small.yaml", "kl,fitnets", "2", 1, &["`fitnets` needs"]);
    refuse(
        "plain.yaml",
        "kl,jsd",
        "2",
        1,
        &["plain.yaml", "no distill step"],
    );
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}
