//! The scripted model of the repair fixtures, its tasks, and what it was asked.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::Workplace;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/repair")
}

/// Says so and is false where scripts cannot be run.
pub fn can_run() -> bool {
    let runs = |program: &str, words: &[&str]| {
        let told = Command::new(program).args(words).output();
        told.is_ok_and(|told| told.status.success())
    };
    let all = runs("python3", &["--version"])
        && runs("git", &["--version"])
        && runs("bwrap", &["--ro-bind", "/", "/", "--unshare-all", "true"]);
    if !all {
        eprintln!("NOT RUN: repairs need python3, git and a bubblewrap that may make namespaces");
    }
    all
}

/// The scripted server; gone with the value.
pub struct Policy {
    server: Child,
    pub url: String,
}

impl Policy {
    pub fn start(place: &Workplace) -> Self {
        let mut server = Command::new("python3")
            .arg(fixtures().join("policy_model.py"))
            .arg("--log")
            .arg(place.path("asked.jsonl"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            server,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn tasks(place: &Workplace, ids: &str) {
    let made = Command::new("python3")
        .arg(fixtures().join("make_tasks.py"))
        .arg(place.path("tasks"))
        .args(["--only", ids])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// What the server was asked, in order.
pub fn asked(place: &Workplace) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path("asked.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn resolved(place: &Workplace, predictions: &str) -> Vec<String> {
    let graded = Command::new("python3")
        .arg(fixtures().join("grade.py"))
        .arg(place.path(predictions))
        .arg("--tasks")
        .arg(place.path("tasks/instances.jsonl"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&graded.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&graded.stderr)));
    serde_json::from_value(report["resolved"].clone()).unwrap()
}

pub fn quick(url: &str) -> Vec<String> {
    let words = [
        "--llm",
        url,
        "--model",
        "policy",
        "--retry-wait",
        "0.01",
        "--tries",
        "2",
    ];
    words.map(str::to_owned).to_vec()
}
