//! Commands without a sandbox, for machines that have none.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    ExecuteError, Executor, Limits, Outcome, processes::Root, start, supervise::supervise,
};

/// Runs commands with limits only.
///
/// It does **not** protect: a command can read all files of the user, keys included, write and delete
/// them, and send them over the network; it can end the user's other processes. One that leaves both
/// its process group and its parent outlives the end and the limits, and all outlive us if we are killed; memory, processes and disk are
/// limited only as far as they are seen in time; `/tmp` is everybody's. Of the environment only
/// `PATH`, `LANG` and `HOME` are passed on. Use it only for programs that you would run yourself.
#[derive(Clone, Debug, Default)]
pub struct Unsandboxed {
    limits: Limits,
    environment: BTreeMap<String, String>,
    stop: Arc<AtomicBool>,
}

impl Unsandboxed {
    /// With these limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Sets a variable of the commands' environment.
    #[must_use]
    pub fn environment(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Commands end, with an error, as soon as this becomes true.
    #[must_use]
    pub fn stopped_by(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }
}

impl Executor for Unsandboxed {
    fn run(&self, folder: &Path, command: &[&str]) -> Result<Outcome, ExecuteError> {
        let shell = start::shell(&self.limits);
        let mut running = Command::new(&shell[0]);
        running.args(&shell[1..]).args(command).current_dir(folder);
        running.stdin(Stdio::null()).env_clear();
        for key in ["PATH", "LANG", "HOME"] {
            if let Some(value) = std::env::var_os(key) {
                running.env(key, value);
            }
        }
        running.envs(&self.environment);
        supervise(running, Root::Command, folder, &self.limits, &self.stop)
    }
}
