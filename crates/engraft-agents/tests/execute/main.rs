//! Commands that try to do harm, run as a model's commands are: what a sandbox promises is what these
//! tests try to break. On a machine without bubblewrap or Python they say so and run nothing.

mod files;
mod git;
mod limits;
mod network;
mod outcome;
mod processes;
mod unsandboxed;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use engraft_agents::{Executor, Limits, Outcome, Sandbox};
use tempfile::TempDir;

/// A work copy and the sandbox around it.
struct Place {
    folder: TempDir,
    sandbox: Sandbox,
}

/// Limits that a test meets soon.
fn tight() -> Limits {
    const MIB: u64 = 1 << 20;
    Limits {
        time: Duration::from_secs(20),
        memory: 300 * MIB,
        address_space: 1024 * MIB,
        processes: 40,
        output_kept: 10_000,
        output: MIB,
        file: 16 * MIB,
        disk: 40 * MIB,
        temporary: 8 * MIB,
    }
}

/// None, with a line that says why, where nothing can be tested.
fn place(limits: Limits) -> Option<Place> {
    match Sandbox::new(limits) {
        Ok(sandbox) if has_python() => Some(Place {
            folder: tempfile::tempdir().unwrap(),
            sandbox,
        }),
        Ok(_) => {
            println!("did not run: there is no python3");
            None
        }
        Err(error) => {
            println!("did not run: {error}");
            None
        }
    }
}

fn has_python() -> bool {
    let mut python = Command::new("python3");
    python.arg("--version").stdout(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

impl Place {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, command: &[&str]) -> Outcome {
        self.sandbox.run(self.path(), command).unwrap()
    }

    fn sh(&self, script: &str) -> Outcome {
        self.run(&["sh", "-c", script])
    }

    fn python(&self, script: &str) -> Outcome {
        self.run(&["python3", "-c", script])
    }
}

/// A number of seconds to sleep by which a test knows its own processes from those of other runs.
fn seconds(base: u32) -> String {
    format!("{base}.{}", std::process::id())
}

/// Whether a process whose command line holds this text is still there anywhere on the machine, after
/// the moment that one which was killed may take to go.
fn outlives(text: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(3);
    while is_alive(text) {
        if Instant::now() > deadline {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn is_alive(text: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(text)
    })
}
