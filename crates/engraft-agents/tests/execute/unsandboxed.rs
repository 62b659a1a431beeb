//! Without a sandbox the limits still hold, as far as they go.

use std::time::{Duration, Instant};

use engraft_agents::{Executor, Limits, Outcome, Stopped, Unsandboxed};

use crate::{outlives, seconds, tight};

fn sh(limits: Limits, script: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let executor = Unsandboxed::new(limits);
    executor.run(folder.path(), &["sh", "-c", script]).unwrap()
}

#[test]
fn status_and_streams_come_back_and_secrets_of_the_environment_do_not_go_in() {
    let outcome = sh(
        tight(),
        "echo out; echo err >&2; env | grep -c CARGO; exit 3",
    );
    assert_eq!(outcome.code, 3);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("out\n0\n", "err\n")
    );
}

#[test]
fn time_runs_out_for_the_whole_group() {
    let limits = Limits {
        time: Duration::from_millis(300),
        ..tight()
    };
    let begun = Instant::now();
    let outcome = sh(
        limits,
        &format!("trap '' TERM; sleep {} & sleep 4000", seconds(4714)),
    );
    assert_eq!((outcome.code, outcome.stopped), (-1, Some(Stopped::Time)));
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(!outlives(&seconds(4714)));
}

#[test]
fn what_stays_in_the_background_ends_with_the_command() {
    let begun = Instant::now();
    let outcome = sh(tight(), &format!("sleep {} & echo left", seconds(4715)));
    assert_eq!(outcome.stdout, "left\n");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!outlives(&seconds(4715)));
}

#[test]
fn output_processes_and_disk_are_watched() {
    assert_eq!(sh(tight(), "yes").stopped, Some(Stopped::Output));
    let many = "for i in $(seq 60); do sleep 30 & done; wait";
    let outcome = sh(tight(), many);
    assert_eq!(outcome.stopped, Some(Stopped::Processes));
    let fill = "i=0; while :; do head -c 8000000 /dev/zero > $i; i=$((i+1)); sleep 0.05; done";
    assert_eq!(sh(tight(), fill).stopped, Some(Stopped::Disk));
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = std::path::Path::new("/no/such/folder");
    assert!(Unsandboxed::default().run(folder, &["true"]).is_err());
}
