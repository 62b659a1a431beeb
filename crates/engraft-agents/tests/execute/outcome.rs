//! What a harmless command's outcome says.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use engraft_agents::{Executor, Limits, Sandbox};

use crate::place;

#[test]
fn a_program_s_status_and_both_streams_come_back() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let outcome =
        place.python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)");
    assert_eq!(outcome.code, 3);
    assert_eq!(outcome.stdout, "out\n");
    assert_eq!(outcome.stderr, "err\n");
    assert_eq!(outcome.stopped, None);
}

#[test]
fn it_runs_in_the_work_copy_and_what_it_writes_there_stays() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let outcome = place.sh("pwd; mkdir sub && echo text > sub/file");
    let real = place.path().canonicalize().unwrap();
    assert_eq!(outcome.stdout.trim(), real.to_str().unwrap());
    let written = std::fs::read_to_string(place.path().join("sub/file")).unwrap();
    assert_eq!(written, "text\n");
}

#[test]
fn a_signal_is_told_by_the_shell_s_convention_and_a_missing_program_is_an_outcome() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    assert_eq!(place.sh("kill -SEGV $$").code, 128 + 11);
    let outcome = place.run(&["no-such-program"]);
    assert_eq!(outcome.code, 127);
    assert!(
        outcome.stderr.contains("no-such-program"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_input_is_empty_and_bytes_that_are_not_text_are_replaced() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let outcome = place.python(
        "import sys; print(repr(sys.stdin.read())); sys.stdout.flush(); sys.stdout.buffer.write(b'a\\xffb')",
    );
    assert_eq!(outcome.stdout, "''\na\u{fffd}b");
}

#[test]
fn only_the_variables_that_were_given_are_there() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    // Cargo sets this one for the test; it stands for any secret of the caller's environment.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let sandbox = place.sandbox.clone().environment("GIVEN", "by the caller");
    let outcome = sandbox.run(place.path(), &["env"]).unwrap();
    let mut names: Vec<&str> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        // The shell's own, about itself.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["GIVEN", "HOME", "LANG", "PATH"]);
    assert!(outcome.stdout.contains("HOME=/tmp\n"));
}

#[test]
fn the_python_of_the_path_runs_inside_with_its_library() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let script = "import sys, json, ssl, sqlite3; print(sys.version)";
    let outside = std::process::Command::new("python3")
        .args(["-c", script])
        .output()
        .unwrap();
    let inside = place.python(script);
    assert_eq!(
        inside.stdout.as_bytes(),
        outside.stdout,
        "{}",
        inside.stderr
    );
}

/// What this program's first test prints where `PATH` is another one.
fn with_path(path: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("outcome::a_program_s_status_and_both_streams_come_back")
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_machine_without_a_sandbox_is_told_what_to_install_and_how_to_go_without() {
    let programs = tempfile::tempdir().unwrap();
    let missing = with_path(programs.path());
    for part in ["bwrap is missing", "package bubblewrap", "--unsandboxed"] {
        assert!(missing.contains(part), "{missing}");
    }
    let bwrap = programs.path().join("bwrap");
    std::fs::write(&bwrap, "#!/bin/sh\necho bwrap: no permission >&2; exit 1\n").unwrap();
    std::fs::set_permissions(&bwrap, std::fs::Permissions::from_mode(0o755)).unwrap();
    let unable = with_path(programs.path());
    for part in [
        "bwrap: no permission",
        "package bubblewrap",
        "--unsandboxed",
    ] {
        assert!(unable.contains(part), "{unable}");
    }
}

#[test]
fn a_run_that_is_called_off_ends_at_once() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let stop = Arc::new(AtomicBool::new(false));
    let sandbox: Sandbox = place.sandbox.clone().stopped_by(Arc::clone(&stop));
    let begun = Instant::now();
    let ended = thread::scope(|scope| {
        let run = scope.spawn(|| sandbox.run(place.path(), &["sleep", "60"]));
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        run.join().unwrap()
    });
    assert!(ended.is_err());
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_home_the_system_and_missing_folders_are_no_work_copies() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let home = std::env::var("HOME").unwrap();
    for folder in ["/", "/usr/bin", "/etc", "/no/such/folder", &home] {
        let refused = place.sandbox.run(Path::new(folder), &["true"]).unwrap_err();
        assert!(refused.to_string().contains(folder), "{refused}");
    }
}

#[test]
fn names_of_any_kind_in_the_work_copy_do_no_harm() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let script = r#"
import os
for name in (b'line\nend', b'quote"\'', b'\xff\xfe', b'-rf', b'x' * 255):
    open(name, 'w').close()
path = b'.'
for _ in range(200):
    path += b'/' + b'd' * 20
    os.mkdir(path) if len(path) < 4000 else None
print(len(os.listdir(b'.')))
"#;
    let outcome = place.python(script);
    // The five, the deep folder, and the empty folder over .git.
    assert_eq!(outcome.stdout, "7\n", "{}", outcome.stderr);
    assert_eq!(place.sh("true").code, 0);
}
