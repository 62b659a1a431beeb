//! Commands in namespaces of their own, by bubblewrap.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::File,
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    ExecuteError, Executor, Limits, Outcome, filter, interpreter, layout, processes::Root, start,
    supervise::supervise,
};

/// Runs commands under bubblewrap (`bwrap`).
///
/// A command sees the system's programs and libraries, a small part of `/etc`, the folders of the
/// Python that `PATH` names and those given by [`Sandbox::readable`], all read-only; a private `/tmp`
/// in memory; and its work copy, the only folder that keeps what it writes. It sees no home, no other
/// process and no network, not even that of the machine itself. It has no rights beyond those of the
/// user, and of the environment only `PATH`, `LANG`, `HOME=/tmp` and what
/// [`Sandbox::environment`] sets. Everything it starts ends with it.
///
/// The work copy's `.git` is covered by an empty read-only one, so that nothing can be planted for the
/// next git that looks at it; where there is none, an empty folder `.git` is left behind.
///
/// Not covered: what the kernel itself gets wrong; the processor's side channels; and in the fifth of
/// a second between two looks a command may overrun a limit before it is stopped.
#[derive(Clone, Debug)]
pub struct Sandbox {
    program: PathBuf,
    limits: Limits,
    /// Nested namespaces can be forbidden, which older versions cannot.
    forbids_nesting: bool,
    interpreters: Vec<PathBuf>,
    readable: Vec<PathBuf>,
    environment: BTreeMap<String, String>,
    stop: Arc<AtomicBool>,
}

impl Sandbox {
    /// With these limits; tries once whether a sandbox can be made here.
    ///
    /// # Errors
    /// If bubblewrap is missing or may not make namespaces.
    pub fn new(limits: Limits) -> Result<Self, ExecuteError> {
        let program = find("bwrap").ok_or_else(|| {
            ExecuteError::Failed(
                "there is no sandbox: the program bwrap is missing; install the package bubblewrap, \
                 or run commands unprotected (--unsandboxed, in a recipe `unsandboxed: true`)"
                    .to_owned(),
            )
        })?;
        let mut sandbox = Self {
            program,
            limits,
            forbids_nesting: true,
            interpreters: interpreter::prefixes(),
            readable: Vec::new(),
            environment: BTreeMap::new(),
            stop: Arc::default(),
        };
        let place = tempfile::tempdir().map_err(|error| {
            ExecuteError::Failed(format!("cannot make a temporary folder: {error}"))
        })?;
        if sandbox.run(place.path(), &["true"]).is_ok() {
            return Ok(sandbox);
        }
        sandbox.forbids_nesting = false;
        sandbox.run(place.path(), &["true"]).map_err(|error| {
            ExecuteError::Failed(format!(
                "there is no sandbox: bwrap may not make namespaces here ({error}); allow user \
                 namespaces or install the package bubblewrap anew, or run commands unprotected \
                 (--unsandboxed, in a recipe `unsandboxed: true`)"
            ))
        })?;
        Ok(sandbox)
    }

    /// Shows one more folder or file, read-only, at its own path.
    #[must_use]
    pub fn readable(mut self, path: impl Into<PathBuf>) -> Self {
        self.readable.push(path.into());
        self
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

    fn command(&self, folder: &Path, command: &[&str]) -> Result<Command, ExecuteError> {
        let shown: Vec<PathBuf> = self
            .interpreters
            .iter()
            .chain(&self.readable)
            .cloned()
            .collect();
        let mut bwrap = Command::new(&self.program);
        bwrap.args(["--unshare-all", "--unshare-user", "--cap-drop", "ALL"]);
        if self.forbids_nesting {
            bwrap.arg("--disable-userns");
        }
        bwrap.args(["--die-with-parent", "--new-session"]);
        bwrap.args(["--hostname", "sandbox"]);
        bwrap.args(layout::mounts(folder, &shown, &self.limits)?);
        match filter::program() {
            // Read from the standard input, which the command itself does not get.
            Some(filter) => {
                bwrap.args(["--seccomp", "0"]).stdin(file_of(&filter)?);
            }
            None => {
                bwrap.stdin(Stdio::null());
            }
        }
        bwrap.arg("--chdir").arg(folder).arg("--");
        bwrap.args(start::shell(&self.limits)).args(command);
        bwrap.env_clear().env("PATH", self.path(&shown));
        bwrap.env("HOME", "/tmp");
        bwrap.env("LANG", env::var_os("LANG").unwrap_or("C.UTF-8".into()));
        bwrap.envs(&self.environment);
        Ok(bwrap)
    }

    /// Where programs are looked for: the Python's own folder before those of the user's `PATH` that
    /// can be seen inside.
    fn path(&self, shown: &[PathBuf]) -> OsString {
        let mut folders: Vec<PathBuf> = self
            .interpreters
            .iter()
            .map(|prefix| prefix.join("bin"))
            .collect();
        let path = env::var_os("PATH").unwrap_or_default();
        let seen = |folder: &PathBuf| {
            let system = ["/usr", "/bin", "/sbin", "/nix/store", "/gnu/store"];
            system.iter().any(|root| folder.starts_with(root))
                || shown.iter().any(|root| folder.starts_with(root))
        };
        folders.extend(env::split_paths(&path).filter(seen));
        folders.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        // A folder whose name holds a colon could not be named in PATH to begin with.
        folders.retain(|folder| !folder.to_string_lossy().contains(':'));
        env::join_paths(folders).unwrap_or_else(|_| "/usr/bin:/bin".into())
    }
}

impl Executor for Sandbox {
    fn run(&self, folder: &Path, command: &[&str]) -> Result<Outcome, ExecuteError> {
        let folder = writable(folder)?;
        let command = self.command(&folder, command)?;
        supervise(command, Root::Sandbox, &folder, &self.limits, &self.stop)
    }
}

/// The folder under its real path. One that holds the home or the system is no work copy.
fn writable(folder: &Path) -> Result<PathBuf, ExecuteError> {
    let real = folder.canonicalize().map_err(|error| {
        ExecuteError::Failed(format!(
            "{}: {error}; a command needs a folder to run in",
            folder.display()
        ))
    })?;
    let home = env::var_os("HOME").map(PathBuf::from);
    let home = home.and_then(|home| home.canonicalize().ok());
    let holds_home = home.is_some_and(|home| home.starts_with(&real));
    let shown = ["/usr", "/etc", "/dev", "/proc", "/sys"];
    if !real.is_dir() || holds_home || shown.iter().any(|root| real.starts_with(root)) {
        return Err(ExecuteError::Failed(format!(
            "{} cannot be a work copy: it is no folder of its own; give a folder that holds only what \
             commands may change",
            real.display()
        )));
    }
    Ok(real)
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_absolute() && file.is_file())
}

fn file_of(content: &[u8]) -> Result<File, ExecuteError> {
    let written = || {
        let mut file = tempfile::tempfile()?;
        file.write_all(content)?;
        file.rewind()?;
        Ok(file)
    };
    written().map_err(|error: std::io::Error| {
        ExecuteError::Failed(format!("cannot write a temporary file: {error}"))
    })
}
