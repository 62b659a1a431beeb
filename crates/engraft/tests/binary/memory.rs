//! What is remembered: kept once, found, read, changed by people, and gone when it should be.

use std::{io::Write, process::Stdio};

use serde_json::Value;

use crate::support::{Told, Workplace};

const STORE: [&str; 2] = ["--store", "memory.db"];

fn engraft(place: &Workplace, words: &[&str]) -> Told {
    let mut command = place.command(words);
    command.args(STORE).env("ENGRAFT_HOME", place.path("home"));
    Told::by(command.env("ENGRAFT_USER", "ada"))
}

/// The same with lines on standard input; gives the lines of JSON that come back.
fn with_lines(place: &Workplace, words: &[&str], lines: &[Value]) -> Vec<Value> {
    let mut command = place.command(words);
    command.args(STORE).env("ENGRAFT_HOME", place.path("home"));
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let out = Told::of(child.wait_with_output().unwrap()).done();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn remember(place: &Workplace, words: &[&str]) -> String {
    let told = engraft(place, &[&["remember"], words].concat()).done();
    told.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn what_is_remembered_twice_is_there_once_and_is_found() {
    let place = Workplace::new();
    let id = remember(&place, &["Tests need Python 3.11", "--scope", "shop"]);
    let again = engraft(
        &place,
        &["remember", "Tests need Python 3.11", "--scope", "shop"],
    )
    .done();
    assert!(
        again.contains(&id) && again.contains("was there already"),
        "{again}"
    );
    remember(&place, &["The cellar is damp", "--scope", "house"]);
    let found = engraft(
        &place,
        &["recall", "which python do the tests need", "--most", "1"],
    )
    .done();
    assert!(
        found.starts_with(&id) && found.contains("of shop"),
        "{found}"
    );
    assert_eq!(
        engraft(&place, &["memory", "show"])
            .done()
            .matches("\n    ")
            .count(),
        2
    );
}

#[test]
fn other_programs_speak_json() {
    let place = Workplace::new();
    let note = serde_json::json!({
        "text": "Deploys happen on Tuesdays.",
        "scope": "shop",
        "source": { "run": "chat-7", "message": "12", "file": "notes.md", "line": 3 },
    });
    let kept = with_lines(&place, &["remember"], &[note.clone(), note]);
    assert_eq!(
        (&kept[0]["new"], &kept[1]["new"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
    assert_eq!(kept[0]["id"], kept[1]["id"]);
    let asked = serde_json::json!({ "query": "when do deploys happen", "most": 1 });
    let found = with_lines(&place, &["recall", "--by", "words"], &[asked]);
    let item = &found[0]["found"][0];
    assert_eq!(item["id"], kept[0]["id"]);
    assert_eq!(item["source"]["line"], 3);
    assert!(
        item["about"]
            .as_str()
            .unwrap()
            .contains("from run chat-7, message 12, notes.md:3")
    );
}

#[test]
fn a_person_reads_edits_votes_and_takes_away_and_the_log_knows_it() {
    let place = Workplace::new();
    let id = remember(
        &place,
        &["Retry always.", "--kind", "insight", "--role", "coder"],
    );
    engraft(
        &place,
        &["memory", "edit", &id, "--text", "Retry at most thrice."],
    )
    .done();
    engraft(&place, &["memory", "vote", &id, "-1"]).done();
    let shown = engraft(&place, &["memory", "show", &id]).done();
    assert!(
        shown.contains("Retry at most thrice.") && shown.contains("-1 vote\n"),
        "{shown}"
    );
    engraft(&place, &["memory", "forget", &id, "--reason", "was wrong"]).done();
    assert_eq!(engraft(&place, &["memory", "show"]).done(), "nothing\n");
    let history = engraft(&place, &["memory", "history", &id]).done();
    for said in [
        "added: Retry always.",
        "edited: Retry at most thrice.",
        "voted: -1",
        "removed: was wrong",
        "ada",
    ] {
        assert!(history.contains(said), "{said} in {history}");
    }
    let before = engraft(&place, &["memory", "show", "--at", "1"]).done();
    assert!(before.contains("Retry always."), "{before}");
    engraft(&place, &["memory", "forget", &id, "--purge"]).done();
    let bytes = std::fs::read(place.path("memory.db")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("thrice"));
}

#[test]
fn contradictions_stand_side_by_side_and_are_settled_without_loss() {
    let place = Workplace::new();
    let old = remember(
        &place,
        &[
            "Ada works at the harbour office since 2019.",
            "--scope",
            "ada",
        ],
    );
    let new = remember(
        &place,
        &[
            "Ada works at the harbour office since 2021.",
            "--scope",
            "ada",
        ],
    );
    let review = engraft(&place, &["memory", "review"]).done();
    for said in [&old, &new, "2019", "2021", "added 20"] {
        assert!(review.contains(said), "{said} in {review}");
    }
    assert!(
        review.contains(&format!("engraft memory supersede {old} {new}")),
        "{review}"
    );
    engraft(&place, &["memory", "supersede", &old, &new]).done();
    let found = engraft(&place, &["recall", "where does Ada work"]).done();
    assert!(found.contains("2021") && !found.contains("2019"), "{found}");
    let then = engraft(&place, &["recall", "where does Ada work", "--at", "1"]).done();
    assert!(then.contains("2019") && !then.contains("2021"), "{then}");
    let all = engraft(&place, &["memory", "show", "--all"]).done();
    assert!(all.contains(&format!("superseded by {new}")), "{all}");
    assert_eq!(
        engraft(&place, &["memory", "review"]).done(),
        "nothing to look at\n"
    );
}

#[test]
fn a_file_that_changed_makes_its_notes_stale() {
    let place = Workplace::new();
    place.write("setup.md", "Use port 8080.");
    let id = remember(
        &place,
        &["The port is 8080", "--file", "setup.md", "--line", "1"],
    );
    assert_eq!(
        engraft(&place, &["memory", "review"]).done(),
        "nothing to look at\n"
    );
    place.write("setup.md", "Use port 9090.");
    let review = engraft(&place, &["memory", "review"]).done();
    assert!(
        review.contains(&id) && review.contains("has changed"),
        "{review}"
    );
}

#[test]
fn files_that_people_edit_come_back_as_changes() {
    let place = Workplace::new();
    let id = remember(&place, &["Ship on Fridays", "--scope", "shop"]);
    let gone = remember(&place, &["Ship on Sundays", "--scope", "shop"]);
    engraft(&place, &["memory", "export", "notes"]).done();
    let list = std::fs::read_dir(place.path("notes"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(
        &list,
        text.replace("Ship on Fridays", "Never ship on Fridays"),
    )
    .unwrap();
    let told = engraft(&place, &["memory", "import", "notes"]).done();
    assert_eq!(told, format!("{id}  edited\n"));
    assert_eq!(
        engraft(&place, &["memory", "import", "notes"]).done(),
        "nothing changed\n"
    );
    let text = std::fs::read_to_string(&list).unwrap();
    let start = text.find(&gone).unwrap();
    let section = text[..start].rfind("\n## ").unwrap_or(0);
    std::fs::write(&list, &text[..section]).unwrap();
    assert_eq!(
        engraft(&place, &["memory", "import", "notes"]).done(),
        "nothing changed\n"
    );
    let told = engraft(&place, &["memory", "import", "notes", "--remove-missing"]).done();
    assert_eq!(told, format!("{gone}  removed\n"));
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence() {
    let place = Workplace::new();
    engraft(&place, &["memory", "show"]).is_one_error(1, &["memory.db", "engraft remember"]);
    let id = remember(&place, &["one"]);
    engraft(&place, &["memory", "show", "note-nothere"]).is_one_error(1, &["note-nothere"]);
    engraft(&place, &["memory", "supersede", &id, &id]).is_one_error(1, &[&id]);
    engraft(&place, &["remember", ""]).is_one_error(1, &["empty"]);
    place.write(
        "text.db",
        "this is a text and no memory, long enough to be read as one",
    );
    let mut command = place.command(&["memory", "show", "--store", "text.db"]);
    Told::by(&mut command).is_one_error(1, &["text.db"]);
    assert!(
        engraft(&place, &["memory", "check"])
            .done()
            .starts_with("sound: 1 item")
    );
}

#[test]
fn a_client_that_speaks_mcp_is_served() {
    let place = Workplace::new();
    let call = |id: u64, name: &str, arguments: Value| {
        let params = serde_json::json!({ "name": name, "arguments": arguments });
        serde_json::json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let hello = serde_json::json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let lines = [
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        call(
            2,
            "remember",
            serde_json::json!({ "text": "The kiln is hot until noon." }),
        ),
        call(
            3,
            "recall",
            serde_json::json!({ "query": "is the kiln hot" }),
        ),
        call(
            4,
            "forget",
            serde_json::json!({ "id": "note-nothere", "reason": "test" }),
        ),
    ];
    let answers = with_lines(&place, &["serve", "--memory", "--words"], &lines);
    // Calls are done in their order; their answers may overtake each other.
    let result = |id: u64| {
        let mut answers = answers.iter();
        &answers.find(|answer| answer["id"] == id).unwrap()["result"]
    };
    assert_eq!(result(1)["serverInfo"]["name"], "engraft");
    let id = &result(2)["structuredContent"]["id"];
    assert_eq!(result(3)["structuredContent"]["items"][0]["id"], *id);
    assert_eq!(result(4)["isError"], true);
    let shown = engraft(&place, &["memory", "show"]).done();
    assert!(shown.starts_with(id.as_str().unwrap()), "{shown}");
}
