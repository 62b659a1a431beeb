//! Repairs as steps of a recipe: in the ledger, over seeds, and refused before anything is asked.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    Told, Workplace,
    policy::{Policy, asked, can_run, fixtures, tasks},
};

fn recipe(url: &str) -> String {
    let grade = fixtures().join("grade.py");
    let shared = format!(
        "tasks: tasks/instances.jsonl, llm: '{url}', model: policy, retry_wait: 0.01, tries: 2, \
         grade: 'python3 {} {{predictions}} --tasks {{tasks}}'",
        grade.display()
    );
    format!(
        "steps:\n  - repair: {{ name: without, memory: none, {shared} }}\n  \
         - repair: {{ name: remembering, memory: episodic, {shared} }}\n"
    )
}

fn run(place: &Workplace, more: &[&str]) -> Told {
    let mut command = place.command(&["run", "bugs/recipe.yaml", "--out", "out"]);
    command.args(more).env("ENGRAFT_HOME", place.path("home"));
    Told::by(&mut command)
}

/// A place with two issues of a kind beside a recipe that is not in the folder one starts from.
fn place() -> Workplace {
    let place = Workplace::new();
    tasks(&place, "spans-001,spans-005");
    std::fs::create_dir(place.path("bugs")).unwrap();
    std::fs::rename(place.path("tasks"), place.path("bugs/tasks")).unwrap();
    place
}

#[test]
fn a_ledger_says_what_a_memory_gained() {
    if !can_run() {
        return;
    }
    let place = place();
    let policy = Policy::start(&place);
    place.write("bugs/recipe.yaml", recipe(&policy.url));
    let planned = run(&place, &["--dry-run"]).done();
    assert!(
        planned.contains("memory: episodic") && planned.contains("candidates: 4"),
        "{planned}"
    );
    assert!(asked(&place).is_empty(), "a plan asks nobody");

    let told = run(&place, &[]).done();
    let line = |step: &str| {
        let line = told.lines().find(|line| line.starts_with(step));
        line.unwrap_or_else(|| panic!("{told}")).to_owned()
    };
    assert!(line("without").contains("50.0 %"), "{told}");
    assert!(line("remembering").contains("100.0 %"), "{told}");

    let ledger = place.read("out/ledger.jsonl");
    let entries: Vec<Value> = ledger
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries[0]["output"], Value::Null);
    assert_eq!(entries[1]["output"]["role"], "memory");
    assert_eq!(entries[1]["gain"]["probe"], "issues resolved");
    assert_eq!(entries[1]["config"]["memory"], "episodic");
    assert!(entries[1]["tokens"].as_u64().unwrap() > 0);
    let page = place.read("out/report.html");
    assert!(
        page.contains("issues resolved") && !page.contains("0 parameters"),
        "{page}"
    );

    // What is finished is not asked for again.
    let before = asked(&place).len();
    let again = run(&place, &[]);
    assert!(
        again.err.contains("remembering: finished before, skipped"),
        "{}",
        again.err
    );
    again.done();
    assert_eq!(asked(&place).len(), before);
}

#[cfg(unix)]
#[test]
fn a_stopped_step_goes_on_where_it_was() {
    if !can_run() {
        return;
    }
    let place = place();
    let policy = Policy::start(&place);
    place.write("bugs/recipe.yaml", recipe(&policy.url));
    let mut command = place.command(&["run", "bugs/recipe.yaml", "--out", "out"]);
    command.env("ENGRAFT_HOME", place.path("home"));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let localized = place.path("out/steps/without/results/localize");
    while !localized.exists() {
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none(),
            "it ended before it could be stopped: {ended:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupt = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &interrupt])
            .status()
            .unwrap()
            .success()
    );
    let told = Told::of(child.wait_with_output().unwrap());
    assert_eq!(told.code, Some(130), "{}", told.err);
    let last = told.err.lines().last().unwrap_or_default();
    assert!(
        last.contains("stopped at spans-001; run it again"),
        "{}",
        told.err
    );
    assert!(!place.path("out/ledger.jsonl").exists());

    let again = run(&place, &[]);
    assert!(
        !again.err.contains("without: spans-001: reproduce"),
        "{}",
        again.err
    );
    let told = again.done();
    assert!(
        told.lines()
            .any(|line| line.starts_with("remembering  100.0 %")),
        "{told}"
    );
}

#[test]
fn a_budget_that_ends_a_step_is_said_and_a_larger_one_goes_on() {
    if !can_run() {
        return;
    }
    let place = place();
    let policy = Policy::start(&place);
    let with =
        |more: &str| recipe(&policy.url).replace("memory: none", &format!("memory: none{more}"));
    place.write("bugs/recipe.yaml", with(", max_calls: 60"));
    let first = run(&place, &[]);
    let said = "without: the budget ended 1 of 2 issues; with a larger one the step goes on";
    assert!(first.err.contains(said), "{}", first.err);
    first.done();
    let page = place.read("out/report.html");
    assert!(page.contains("issues that the budget ended"), "{page}");
    place.write("bugs/recipe.yaml", with(""));
    let second = run(&place, &[]);
    assert!(
        !second.err.contains("spans-001: reproduce"),
        "{}",
        second.err
    );
    assert!(!second.err.contains("the budget ended"), "{}", second.err);
    second.done();
}

#[test]
fn answers_to_something_else_are_not_taken_for_those_of_a_changed_step() {
    if !can_run() {
        return;
    }
    let place = place();
    let policy = Policy::start(&place);
    place.write("bugs/recipe.yaml", recipe(&policy.url));
    run(&place, &[]).done();
    let before = asked(&place).len();
    place.write(
        "bugs/recipe.yaml",
        recipe(&policy.url).replace("model: policy", "model: policy, scripts: 2"),
    );
    let told = run(&place, &[]);
    told.is_one_error(
        1,
        &[
            "step `without`: `scripts` was 4",
            "is 2 now",
            "another `name`",
        ],
    );
    place.write("bugs/recipe.yaml", recipe(&policy.url));
    let tasks = place.read("bugs/tasks/instances.jsonl");
    place.write("bugs/tasks/instances.jsonl", format!("{tasks}\n"));
    let told = run(&place, &[]);
    told.is_one_error(
        1,
        &["instances.jsonl has changed since out/steps/without was begun"],
    );
    place.write("bugs/tasks/instances.jsonl", tasks);
    // Another grader grades what is there.
    place.write("bugs/none.py", "print('{\"resolved\": []}')\n");
    let graded = recipe(&policy.url).replace(
        &fixtures().join("grade.py").display().to_string(),
        "none.py",
    );
    place.write("bugs/recipe.yaml", graded);
    let told = run(&place, &[]).done();
    assert!(
        told.lines()
            .any(|line| line.starts_with("remembering  0.0 %")),
        "{told}"
    );
    assert_eq!(asked(&place).len(), before);
}

#[cfg(unix)]
#[test]
fn an_interpreter_beside_the_recipe_runs_the_scripts() {
    if !can_run() {
        return;
    }
    let place = place();
    let policy = Policy::start(&place);
    // What is found as python3 may be a script that goes by its name.
    let own = [
        "-c",
        "import os, sys; print(os.path.realpath(sys.executable))",
    ];
    let found = Command::new("python3").args(own).output().unwrap();
    let python = String::from_utf8(found.stdout).unwrap();
    std::fs::create_dir(place.path("bugs/bin")).unwrap();
    std::os::unix::fs::symlink(python.trim(), place.path("bugs/bin/own-python")).unwrap();
    let own = "memory: none, python: bin/own-python, readable: bin";
    place.write(
        "bugs/recipe.yaml",
        recipe(&policy.url).replace("memory: none", own),
    );
    let told = run(&place, &[]).done();
    assert!(
        told.lines()
            .any(|line| line.starts_with("without      50.0 %")),
        "{told}"
    );
}

#[test]
fn seeds_pair_a_memory_with_none() {
    if !can_run() {
        return;
    }
    let place = place();
    let policy = Policy::start(&place);
    let text = format!("seeds: 2\n{}", recipe(&policy.url));
    place.write("bugs/recipe.yaml", text);
    run(&place, &[]).done();
    let table: Value = serde_json::from_str(&place.read("out/table.json")).unwrap();
    let standings = table["standings"].as_array().unwrap();
    let found = standings.iter().find(|standing| {
        standing["method"] == "remembering" && standing["probe"] == "issues resolved"
    });
    let found = found.unwrap();
    assert_eq!(found["against"], "without");
    assert_eq!(found["difference"], 0.5);
    assert_eq!(found["values"], serde_json::json!([1.0, 1.0]));
}

#[test]
fn seeds_do_not_go_on_from_one_memory() {
    let place = Workplace::new();
    place.write(
        "tasks.jsonl",
        r#"{"instance_id": "a-1", "repo": "o/r", "problem_statement": "x", "base_commit": "c", "checkout": "."}"#,
    );
    let step = "steps:\n  - repair: { tasks: tasks.jsonl, llm: 'http://127.0.0.1:1', model: m, unsandboxed: true, store: m.db }\n";
    place.write("recipe.yaml", format!("seeds: 2\n{step}"));
    place.refuses(
        &["run", "recipe.yaml"],
        1,
        &["step `repair`: with `store` all seeds"],
    );
    place.write("recipe.yaml", step.replace("store", "memory: none, store"));
    place.refuses(
        &["run", "recipe.yaml"],
        1,
        &["store: is of no use with `memory: none`"],
    );
}

#[test]
fn mistakes_in_a_step_are_said_all_at_once_before_anything_is_asked() {
    let place = Workplace::new();
    place.write(
        "recipe.yaml",
        "steps:\n  - repair: { tasks: none.jsonl, llm: 'http://127.0.0.1:1', model: m, memroy: both, unsandboxed: true }\n  \
         - repair: { name: two, tasks: none.jsonl, llm: 'http://127.0.0.1:1', model: m, jobs: 0, tries: none, unsandboxed: true }\n  \
         - repair: { name: three, llm: 'http://127.0.0.1:1', model: m }\n  \
         - repair: { name: four, tasks: none.jsonl, llm: 'http://127.0.0.1:1', model: m, temperature: 3, unsandboxed: true }\n  \
         - repair: { name: five, tasks: none.jsonl, model: nowhere.gguf, unsandboxed: true }\n",
    );
    let said = [
        "unknown key `memroy`; did you mean `memory`?",
        "steps.0.repair: none.jsonl: cannot be read",
        "none.jsonl",
        "steps.1.repair.jobs: invalid value '0'",
        "steps.1.repair.tries: invalid value 'none'",
        "steps.2.repair: needs the key `tasks`",
        "steps.4.repair: model: nowhere.gguf is not there",
        "steps.3.repair: temperature is 3; it takes 0 to 2",
    ];
    place.refuses(&["run", "recipe.yaml"], 1, &said);
}
