//! Copies of a repository to try changes in; the user's own files are never written to.
//!
//! A work copy is a plain folder of files. What git needs to compare it with its start lies in another
//! folder that no command sees, and git is told where: nothing in the work copy (a planted `.git`,
//! hooks, settings) is ever obeyed. `.gitattributes` can name commands but not define them, and our
//! settings define none.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tempfile::TempDir;

mod changes;
mod copying;
mod git;
mod inside;
mod listing;
mod stamps;
mod user_tree;

pub use changes::Changes;
use git::Git;
use stamps::Stamps;
pub use user_tree::apply_to_user_tree;

/// Files above this many bytes are copied, but neither read, nor written, nor part of a diff.
pub const LARGEST: u64 = 1 << 20;

/// Why something could not be done with a work copy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorkCopyError(pub String);

/// Turns an error of the file system into a sentence about a path.
fn failed(path: &Path) -> impl Fn(std::io::Error) -> WorkCopyError + '_ {
    move |error| WorkCopyError(format!("{}: {error}", path.display()))
}

/// A copy of a repository, gone when dropped.
///
/// Copied is what git would commit: tracked files as they are now (uncommitted changes are part of
/// what is repaired), untracked files that are not ignored, and the checked-out files of submodules
/// and nested repositories. Not copied: ignored files, Python's compiled files, empty folders, history,
/// and anything that is neither file nor link. Links are copied as links and never followed.
#[derive(Debug)]
pub struct WorkCopy {
    /// Shared by all forks.
    store: Arc<TempDir>,
    base: String,
    head: Option<String>,
    place: TempDir,
    folder: PathBuf,
    /// What the files of the base looked like when they were put there.
    stamps: Mutex<Stamps>,
}

impl WorkCopy {
    /// Copies a folder, with or without git, with or without commits.
    ///
    /// # Errors
    /// If git is missing or refuses the repository, or files cannot be copied.
    pub fn of(repository: &Path) -> Result<Self, WorkCopyError> {
        let repository = repository.canonicalize().map_err(failed(repository))?;
        let store = Arc::new(temporary()?);
        let place = temporary()?;
        let name = repository.file_name().unwrap_or("root".as_ref());
        let folder = place.path().join(FILES).join(name);
        make_empty(&folder)?;
        git::init(store.path(), &listing::ignored(&repository)?)?;
        let files = listing::files(&repository, store.path())?;
        let copied = copying::copy(&repository, &folder, &files)?;
        let stamps = Stamps::of(&folder, &copied, &place.path().join(CLOCK))?;
        let mut copy = Self {
            store,
            base: String::new(),
            head: listing::head(&repository),
            place,
            folder,
            stamps: stamps.into(),
        };
        let git = copy.git();
        git.run(&["read-tree", "--empty"])?;
        git.feed(
            &["update-index", "-z", "--add", "--stdin"],
            &git::list(&copied),
        )?;
        copy.base = git.line(&["write-tree"])?;
        Ok(copy)
    }

    /// A second copy, as this one is now, that changes by itself; for candidates side by side. They
    /// share their base.
    ///
    /// # Errors
    /// If files cannot be copied.
    pub fn fork(&self) -> Result<Self, WorkCopyError> {
        let place = temporary()?;
        let name = self.folder.file_name().unwrap_or("root".as_ref());
        let folder = place.path().join(FILES).join(name);
        make_empty(&folder)?;
        copying::loosen(&self.folder)?;
        copying::copy(&self.folder, &folder, &copying::walk(&self.folder)?)?;
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps.of_copy(&self.folder, &folder, &place.path().join(CLOCK))?;
        let index = place.path().join(INDEX);
        fs::copy(self.place.path().join(INDEX), &index).map_err(failed(&index))?;
        Ok(Self {
            store: Arc::clone(&self.store),
            base: self.base.clone(),
            head: self.head.clone(),
            place,
            folder,
            stamps: stamps.into(),
        })
    }

    /// Where the files are: the folder for [`crate::Executor::run`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that the repository was at, if it has any; uncommitted changes come on top of it.
    pub fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    /// What the copy started from, as the id of a git tree: equal for equal files.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The paths of all files that count, relative to the folder, sorted: those of the base that are
    /// still there and new ones that are not ignored. Links are not among them.
    ///
    /// # Errors
    /// If git cannot list them.
    pub fn files(&self) -> Result<Vec<PathBuf>, WorkCopyError> {
        let listed = self.git().run(&[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])?;
        let mut files = git::paths(&listed);
        files.retain(|path| inside::is_file(&self.folder, path));
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// If it is no file, lies outside (a link may lead there), is above [`LARGEST`] bytes, or is not
    /// UTF-8.
    pub fn read(&self, path: &Path) -> Result<String, WorkCopyError> {
        inside::read(&self.folder, path)
    }

    /// Writes a file and the folders above it. The rights of a file that is there stay.
    ///
    /// # Errors
    /// If it would lie outside, is above [`LARGEST`] bytes, or cannot be written.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), WorkCopyError> {
        inside::write(&self.folder, path, text)
    }

    /// What changed since the base, as a patch that `git apply` takes on the original. See [`Changes`]
    /// for what it leaves out.
    ///
    /// # Errors
    /// If git cannot compare.
    pub fn diff(&self) -> Result<String, WorkCopyError> {
        Ok(self.changes()?.patch)
    }

    /// What changed since the base, and the changed files that no patch can show.
    ///
    /// # Errors
    /// If git cannot compare.
    pub fn changes(&self) -> Result<Changes, WorkCopyError> {
        copying::loosen(&self.folder)?;
        // Compared in a copy of the index: the index itself stays at the base.
        let scratch = self.place.path().join(SCRATCH);
        let index = self.place.path().join(INDEX);
        // Says 1 where files differ; what it is for is to note those that do not.
        let _ = self.git().run(&["update-index", "-q", "--refresh"]);
        fs::copy(&index, &scratch).map_err(failed(&index))?;
        changes::since(&self.git().with_index(scratch), &self.base)
    }

    /// Puts the files of the base back and removes all else, ignored files included. Only what was touched
    /// is written, and no command can hide that it touched something.
    ///
    /// # Errors
    /// If files cannot be removed or written.
    pub fn reset(&self) -> Result<(), WorkCopyError> {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = stamps.sweep(&self.folder, self.place.path())?;
        make_empty(&self.folder)?;
        if missing.is_empty() {
            return Ok(());
        }
        self.git().feed(
            &[
                "checkout-index",
                "-z",
                "--stdin",
                "--force",
                "--quiet",
                "--index",
            ],
            &git::list(&missing),
        )?;
        stamps.renew(&self.folder, &missing, &self.place.path().join(CLOCK))
    }

    /// Applies a patch to the files, wholly or not at all.
    ///
    /// # Errors
    /// Git's reason if it does not apply.
    pub fn apply(&self, patch: &str) -> Result<(), WorkCopyError> {
        let git = self.git();
        git.feed(&["apply", "--check", "-"], patch.as_bytes())?;
        git.feed(&["apply", "-"], patch.as_bytes())?;
        Ok(())
    }

    fn git(&self) -> Git {
        Git::new(
            self.store.path(),
            &self.folder,
            self.place.path().join(INDEX),
        )
    }
}

/// What lies in a copy's place: the files, in a folder of the repository's own name; the index, as of
/// the base; an index to compare with; and a file that tells the time.
const FILES: &str = "files";
const INDEX: &str = "index";
const SCRATCH: &str = "scratch";
const CLOCK: &str = "clock";

fn temporary() -> Result<TempDir, WorkCopyError> {
    tempfile::Builder::new()
        .prefix("engraft-work-")
        .tempdir()
        .map_err(|error| WorkCopyError(format!("cannot make a temporary folder: {error}")))
}

/// A folder with an empty `.git`: the sandbox lays a cover over it, and programs that look for a
/// repository above them stop here.
fn make_empty(folder: &Path) -> Result<(), WorkCopyError> {
    let git = folder.join(".git");
    fs::create_dir_all(&git).map_err(failed(&git))
}
