//! Repairs of real repositories with seeded bugs, by a scripted server that answers by what it is shown.

use std::process::Command;

use serde_json::Value;

use crate::support::{
    Told, Workplace,
    policy::{Policy, asked, can_run, fixtures, quick, resolved, tasks},
};

fn repair(place: &Workplace, policy: &Policy, more: &[&str]) -> Told {
    let mut command =
        place.command(&["repair", "--tasks", "tasks/instances.jsonl", "--out", "run"]);
    command.args(quick(&policy.url)).args(more);
    command.env("ENGRAFT_HOME", place.path("home"));
    Told::by(&mut command)
}

#[test]
fn the_second_issue_of_a_kind_is_repaired_from_what_the_first_has_taught() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "spans-001,spans-005");
    let policy = Policy::start(&place);
    let told = repair(&place, &policy, &["--memory", "episodic"]).done();
    assert!(
        told.contains("spans-005: shown, a patch that the review accepts"),
        "{told}"
    );
    assert_eq!(
        resolved(&place, "run/preds/final_0.jsonl"),
        ["spans-001", "spans-005"]
    );
    // The right memory came to the right prompt, and to no other.
    let shown = |id: &str, memory: &str| {
        let mut asked = asked(&place).into_iter();
        asked.any(|asked| asked["instance_id"] == id && asked["memory"] == memory)
    };
    assert!(!shown("spans-001", "demonstration") && shown("spans-005", "demonstration"));
    for file in [
        "reproduce/fixtures__spans/spans-005/reproduce_outputs.jsonl",
        "localize/fixtures__spans/spans-005/localize_patch_outputs.jsonl",
        "generate/fixtures__spans/spans-005/patch_experiences.jsonl",
        "validation/fixtures__spans/spans-005/account.md",
    ] {
        assert!(place.path("run/results").join(file).exists(), "{file}");
    }
    // Again: nothing is asked a second time.
    let before = asked(&place).len();
    repair(&place, &policy, &["--memory", "episodic"]).done();
    assert_eq!(asked(&place).len(), before);
    let episodes = place.engraft(&[
        "memory",
        "--store",
        "run/memory.db",
        "show",
        "--kind",
        "episode",
    ]);
    let episodes = episodes.done();
    assert_eq!(episodes.matches("\n    of fixtures/spans").count(), 2);
    let first = episodes.split_whitespace().next().unwrap();
    let whole = place
        .engraft(&["memory", "show", first, "--store", "run/memory.db"])
        .done();
    for said in [
        "demonstration of a script, wrong:",
        "demonstration of a patch, wrong:",
        "diff --git",
    ] {
        assert!(whole.contains(said), "{said} in {whole}");
    }
}

#[test]
fn rules_help_across_repositories_and_without_memory_nothing_is_kept() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "gridprint-001,retryq-005");
    let policy = Policy::start(&place);
    repair(&place, &policy, &["--memory", "semantic"]).done();
    assert_eq!(
        resolved(&place, "run/preds/final_0.jsonl"),
        ["gridprint-001", "retryq-005"]
    );
    let rules = place
        .engraft(&[
            "memory",
            "--store",
            "run/memory.db",
            "show",
            "--kind",
            "insight",
        ])
        .done();
    assert!(
        rules.contains("for coder") && rules.contains("from run run, message gridprint-001"),
        "{rules}"
    );
    std::fs::remove_dir_all(place.path("run")).unwrap();
    repair(&place, &policy, &["--memory", "none"]).done();
    assert_eq!(
        resolved(&place, "run/preds/final_0.jsonl"),
        ["gridprint-001"]
    );
    assert!(!place.path("run/memory.db").exists());
}

#[test]
fn one_issue_of_a_folder_gives_an_account_and_a_patch_that_can_be_applied() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "spans-001");
    let line = place.read("tasks/instances.jsonl");
    let instance: Value = serde_json::from_str(line.trim()).unwrap();
    place.write("issue.md", instance["problem_statement"].as_str().unwrap());
    let policy = Policy::start(&place);
    let mut command = place.command(&[
        "repair",
        "--repo",
        "tasks/checkouts/spans-001",
        "--issue",
        "issue.md",
        "--apply",
    ]);
    command.args(quick(&policy.url)).args(["--price", "3/15"]);
    command.env("ENGRAFT_HOME", place.path("home"));
    let told = Told::by(&mut command).done();
    for said in [
        "## Patch",
        "```diff",
        "The script that shows the issue",
        "| generate |",
        "applied to",
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
    let status = Command::new("git")
        .args(["diff", "--stat"])
        .current_dir(place.path("tasks/checkouts/spans-001"))
        .output();
    assert!(!status.unwrap().stdout.is_empty());
    assert!(place.path("home/memory.db").exists());
}

#[test]
fn a_spent_budget_ends_cleanly_and_a_larger_one_goes_on() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "spans-001");
    let policy = Policy::start(&place);
    let told = repair(&place, &policy, &["--max-calls", "16"]).done();
    assert!(told.contains("the budget of 16 calls is spent"), "{told}");
    assert_eq!(asked(&place).len(), 16);
    let told = repair(&place, &policy, &[]).done();
    assert!(told.contains("a patch that the review accepts"), "{told}");
    assert_eq!(resolved(&place, "run/preds/final_0.jsonl"), ["spans-001"]);
}

#[test]
fn solutions_in_the_file_reach_nobody() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "spans-001");
    assert!(place.read("tasks/instances.jsonl").contains("GOLD-LEAK"));
    let policy = Policy::start(&place);
    // The server fails at any prompt that holds one.
    repair(&place, &policy, &[]).done();
    let found = Command::new("grep")
        .args(["-rl", "GOLD-LEAK", "run"])
        .current_dir(place.path(""))
        .output();
    assert!(found.unwrap().stdout.is_empty());
}

#[test]
fn memory_of_later_issues_is_not_used() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "spans-001,spans-005");
    let policy = Policy::start(&place);
    repair(
        &place,
        &policy,
        &["--filter", "spans-005", "--memory", "both"],
    )
    .done();
    repair(&place, &policy, &["--memory", "both"]).done();
    let of_first = asked(&place)
        .into_iter()
        .filter(|asked| asked["instance_id"] == "spans-001");
    let used: Vec<Value> = of_first.filter(|asked| asked["memory"] != "none").collect();
    assert_eq!(used, Vec::<Value>::new());
}

#[test]
fn memories_are_compared_on_the_same_issues() {
    if !can_run() {
        return;
    }
    let place = Workplace::new();
    tasks(&place, "spans-001,spans-005");
    let policy = Policy::start(&place);
    let grader = fixtures().join("grade.py");
    let grade = format!(
        "python3 {} {{predictions}} --tasks {{tasks}}",
        grader.display()
    );
    let mut command = place.command(&[
        "compare",
        "repair",
        "--tasks",
        "tasks/instances.jsonl",
        "--out",
        "contest",
    ]);
    command
        .args(["--memory", "none,episodic", "--grade", &grade])
        .args(quick(&policy.url));
    let told = Told::by(&mut command).done();
    assert!(
        told.contains("| none | 1 of 2 | – |") && told.contains("| episodic | 2 of 2 |"),
        "{told}"
    );
    let report: Value = serde_json::from_str(&place.read("contest/compare.json")).unwrap();
    assert_eq!(report[1]["issues"][1]["resolved"], true);
}

#[test]
fn an_issue_at_an_address_is_read_and_a_web_page_is_refused() {
    let place = Workplace::new();
    place.write("repo/a.py", "x = 1\n");
    let serve = |kind: &'static str, body: &'static str| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/issue", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap();
        });
        url
    };
    let model = [
        "--llm",
        "http://127.0.0.1:9/v1",
        "--model",
        "m",
        "--unsandboxed",
        "--tries",
        "1",
        "--memory",
        "none",
    ];
    let page = serve("text/html", "<html>");
    place.refuses(
        &[&["repair", "--repo", "repo", "--issue", &page][..], &model].concat(),
        1,
        &["web page"],
    );
    // Read, and then nobody answers.
    let json = serve(
        "application/json",
        r#"{"title": "It breaks", "body": "At once."}"#,
    );
    let told =
        place.engraft(&[&["repair", "--repo", "repo", "--issue", &json][..], &model].concat());
    told.is_one_error(1, &["http://127.0.0.1:9/v1"]);
}

#[test]
fn what_cannot_be_repaired_is_said_before_anything_is_asked() {
    let place = Workplace::new();
    place.write("repo/a.py", "x = 1\n");
    let model = [
        "--llm",
        "http://127.0.0.1:9/v1",
        "--model",
        "m",
        "--unsandboxed",
        "--tries",
        "1",
    ];
    let refuses = |words: &[&str], said: &[&str]| {
        place.refuses(&[&["repair"], words, &model].concat(), 1, said);
    };
    refuses(
        &["--repo", "nowhere", "--issue", "It breaks."],
        &["--repo", "nowhere"],
    );
    refuses(
        &["--repo", "repo", "--issue", "mistyped.md"],
        &["--issue", "mistyped.md"],
    );
    refuses(
        &["--repo", "repo", "--issue", "It breaks.", "--scripts", "0"],
        &["scripts is 0"],
    );
    place.write("bad.jsonl", "{\"instance_id\": 1}\n");
    refuses(
        &["--tasks", "bad.jsonl", "--out", "run"],
        &["bad.jsonl", "1"],
    );
    place.write("no.jsonl", "{\"instance_id\": \"a\", \"repo\": \"o/r\", \"base_commit\": \"c\", \"problem_statement\": \"p\"}\n");
    refuses(
        &["--tasks", "no.jsonl", "--out", "run"],
        &["no.jsonl", "a", "`checkouts`"],
    );
}
