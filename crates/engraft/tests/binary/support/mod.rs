//! A folder to work in, the program in it, and what it said.

mod data;
#[cfg(target_os = "linux")]
mod disk;
mod gguf;
mod model;
mod numbers;
pub mod policy;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use assert_cmd::cargo::CommandCargoExt;
use tempfile::TempDir;

pub use data::{cifar, gzip, idx, records};
#[cfg(target_os = "linux")]
pub use disk::Disk;
pub use gguf::Gguf;
pub use model::{FACTS, Weights, llama_with_facts, trained_model};
pub use numbers::{measured, numbers};

/// Everything of the quickstart, as small as it can be: a teacher, three students, two ways to teach.
pub const SMALL: &str = "
seed: 7
data:
  people: { biographies: { people: 12 } }
  newcomers: { biographies: { people: 6, first: 12 } }
models:
  teacher: { gpt: { layers: 2, width: 32, heads: 2, context: 64 } }
  student: { gpt: { layers: 1, width: 16, heads: 2, context: 64 } }
steps:
  - train: { name: teacher, model: teacher, on: people, steps: 30, batch: 8, lr: 4e-3, warmup: 3 }
  - distill: { name: student-kl, teacher: teacher, student: student, on: people, method: kl, steps: 30, batch: 8, lr: 4e-3, warmup: 3 }
  - distill: { name: student-taid, teacher: teacher, student: student, on: people, method: taid, steps: 30, batch: 8, lr: 4e-3, warmup: 3 }
  - train: { name: student-text, model: student, on: people, steps: 30, batch: 8, lr: 4e-3, warmup: 3 }
  - teach: { name: taught-naively, model: student-kl, on: newcomers, steps: 20, batch: 8, lr: 2e-3, warmup: 2 }
  - teach: { name: taught-with-replay, model: student-kl, on: newcomers, replay: people, replay_share: 0.5, steps: 20, batch: 8, lr: 2e-3, warmup: 2 }
";

/// A net for texts of a few lines, in a flag.
pub const TINY_GPT: &str = "{gpt: {layers: 1, width: 16, heads: 2, context: 32}}";

/// A folder of its own for one test; the program runs in it.
pub struct Workplace {
    folder: TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { folder }
    }

    /// One that holds [`SMALL`] as `small.yaml`.
    pub fn with_small_recipe() -> Self {
        let place = Self::new();
        place.write("small.yaml", SMALL);
        place
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(path, content).expect("a file");
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The program with these words, ready to start.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::cargo_bin("engraft").expect("the program is built");
        command.args(words).current_dir(self.folder.path());
        command
    }

    /// Runs the program to its end.
    pub fn engraft(&self, words: &[&str]) -> Told {
        Told::by(&mut self.command(words))
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// The program must refuse these words: one error that says all of `said`, the exit code, and
    /// not a single file made, changed or left behind.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], code: i32, said: &[&str]) -> String {
        let before = self.files();
        let told = self.engraft(words);
        told.is_one_error(code, said);
        assert_eq!(
            before,
            self.files(),
            "{words:?} changed files\n{}",
            told.err
        );
        told.err
    }

    /// Every file and folder with its size.
    pub fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        collect(self.folder.path(), &mut found);
        found
    }
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("an entry");
        let about = entry.metadata().expect("an entry has a size");
        if about.is_dir() {
            found.insert(entry.path(), 0);
            collect(&entry.path(), found);
        } else {
            found.insert(entry.path(), about.len());
        }
    }
}

/// What the program said and how it ended.
#[derive(Debug)]
pub struct Told {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Told {
    pub fn by(command: &mut Command) -> Self {
        Self::of(command.output().expect("the program runs"))
    }

    pub fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            err: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }

    /// It ended well; returns what it printed.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        assert!(!self.err.contains("error: "), "{}", self.err);
        self.out
    }

    #[track_caller]
    pub fn is_one_error(&self, code: i32, said: &[&str]) {
        let err = &self.err;
        assert_eq!(self.code, Some(code), "{}{err}", self.out);
        assert!(!err.contains("panicked"), "{err}");
        assert_eq!(err.matches("error: ").count(), 1, "{err}");
        for words in said {
            assert!(err.contains(words), "`{words}` is not said in\n{err}");
        }
    }
}
