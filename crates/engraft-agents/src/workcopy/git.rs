//! Git as a process, with settings under which nothing in a work copy can make it run a command.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use super::{LARGEST, WorkCopyError, failed};

/// One repository of our own: its data, its files and its index lie apart and are always named.
pub(super) struct Git {
    data: PathBuf,
    files: PathBuf,
    index: PathBuf,
}

impl Git {
    pub(super) fn new(data: &Path, files: &Path, index: PathBuf) -> Self {
        Self {
            data: data.to_owned(),
            files: files.to_owned(),
            index,
        }
    }

    pub(super) fn with_index(self, index: PathBuf) -> Self {
        Self { index, ..self }
    }

    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, WorkCopyError> {
        self.feed(arguments, b"")
    }

    /// The one line that a command prints.
    pub(super) fn line(&self, arguments: &[&str]) -> Result<String, WorkCopyError> {
        let output = self.run(arguments)?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// Runs a command with this input.
    pub(super) fn feed(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, WorkCopyError> {
        let mut git = bare_command(&self.files);
        git.env("GIT_DIR", &self.data)
            .env("GIT_WORK_TREE", &self.files)
            .env("GIT_INDEX_FILE", &self.index)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for setting in SETTINGS {
            git.args(["-c", setting]);
        }
        git.args(["-c", &format!("core.bigFileThreshold={LARGEST}")]);
        run(git.args(arguments), input)
    }
}

/// Bytes stay as they are; what is stored for a moment is neither compressed nor forced to the disk.
const SETTINGS: [&str; 10] = [
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.fileMode=true",
    "core.symlinks=true",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=true",
    "core.looseCompression=0",
    "core.fsync=none",
    "apply.whitespace=nowarn",
];

/// Overrules the `.gitattributes` of the files, which could hide changes or alter bytes.
const ATTRIBUTES: &str =
    "* !text !eol !crlf !ident !filter !working-tree-encoding !diff !merge !binary !whitespace\n";

/// Makes the folder of data; `ignored` are patterns besides those of the `.gitignore` files.
pub(super) fn init(data: &Path, ignored: &str) -> Result<(), WorkCopyError> {
    let mut git = bare_command(data);
    git.env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    run(
        git.args(["init", "--quiet", "--bare", "--template="])
            .arg(data),
        b"",
    )?;
    let info = data.join("info");
    fs::create_dir_all(&info).map_err(failed(&info))?;
    for (name, content) in [("attributes", ATTRIBUTES), ("exclude", ignored)] {
        let path = info.join(name);
        fs::write(&path, content).map_err(failed(&path))?;
    }
    Ok(())
}

/// Asks the repository that a folder belongs to, under the user's own settings, without writing.
pub(super) fn ask(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, WorkCopyError> {
    run(bare_command(folder).args(arguments), b"")
}

/// Nothing of the environment steers it, and neither hooks nor a file watcher are started.
fn bare_command(folder: &Path) -> Command {
    let mut git = Command::new("git");
    for (key, _) in env::vars_os() {
        if key.as_bytes().starts_with(b"GIT_") {
            git.env_remove(key);
        }
    }
    git.current_dir(folder)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .args(["-c", "core.fsmonitor=false"])
        .args(["-c", "core.hooksPath=/dev/null"]);
    git
}

fn run(git: &mut Command, input: &[u8]) -> Result<Vec<u8>, WorkCopyError> {
    let cannot = |error: std::io::Error| {
        WorkCopyError(format!(
            "cannot run git: {error}; install the package git and see that PATH holds it"
        ))
    };
    let mut child = git
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // Git may end before it has read all; what it says then counts.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        child.wait_with_output()
    });
    let output = output.map_err(cannot)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(WorkCopyError(format!("git refuses: {}", reason.trim())))
}

/// Paths that git separated by zero bytes; a folder's trailing slash is dropped.
pub(super) fn paths(output: &[u8]) -> Vec<PathBuf> {
    output
        .split(|byte| *byte == 0)
        .map(|path| path.strip_suffix(b"/").unwrap_or(path))
        .filter(|path| !path.is_empty())
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect()
}

/// Paths as git reads them with `-z --stdin`.
pub(super) fn list<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<u8> {
    let mut list = Vec::new();
    for path in paths {
        list.extend(path.as_os_str().as_bytes());
        list.push(0);
    }
    list
}
