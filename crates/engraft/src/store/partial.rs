//! Where files on their way stand: on the file system of their place, for one pull at a time, and
//! still there after a crash.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::Context;
use engraft_nets::files::write_file;

const FOLDER: &str = ".partial";
/// How the names of folders begin that are of no use to a later pull.
const PASSING: &str = "passing-";

/// The folder of one entry's files on their way, locked as long as this lives.
pub(super) struct Partial {
    folder: PathBuf,
    /// Beside the folder, because the folder goes and comes: two pulls must meet at one file.
    lock: File,
}

impl Partial {
    pub(super) fn enter(store: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = store.join(FOLDER).join(name);
        make(&folder)?;
        let path = folder.with_extension("lock");
        let lock = File::create(&path).with_context(|| cannot_write(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!("another `engraft pull {name}` is at work; wait for it")
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let partial = Self { folder, lock };
        partial.sweep()?;
        Ok(partial)
    }

    /// A file or folder that a later pull of the same version can use.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder where the files of one source gather; what an earlier pull got from it is in there.
    /// No two sources share one, so that `source.json` can name the one that gave all files.
    pub(super) fn stage(&self, source: &str) -> anyhow::Result<PathBuf> {
        let stage = self.path(source);
        make(&stage)?;
        Ok(stage)
    }

    /// An empty folder for files that no later pull could use.
    pub(super) fn brief_stage(&self) -> anyhow::Result<PathBuf> {
        self.stage(&format!("{PASSING}given"))
    }

    /// Writes a file whole into a stage; what a crash leaves of it is not in the stage.
    pub(super) fn put(&self, name: &str, content: &[u8], stage: &Path) -> anyhow::Result<()> {
        let beside = self.path(name);
        write_file(&beside, content)?;
        let place = stage.join(name);
        fs::rename(&beside, &place).with_context(|| cannot_write(&place))
    }

    /// A folder that the next pull removes if this one cannot.
    pub(super) fn passing(&self) -> std::io::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(PASSING)
            .tempdir_in(&self.folder)
    }

    /// Renames a folder of finished files to its place; what stood there goes.
    pub(super) fn publish(&self, staged: &Path, place: &Path) -> anyhow::Result<()> {
        if let Some(parent) = place.parent() {
            make(parent)?;
        }
        // A folder cannot be renamed over a full one: the old steps aside and goes once the new stands.
        let aside = self.passing().with_context(|| cannot_write(&self.folder))?;
        let old = aside.path().join("old");
        if place.exists() {
            fs::rename(place, &old).with_context(|| cannot_write(place))?;
        }
        if let Err(error) = fs::rename(staged, place) {
            if old.exists() && fs::rename(&old, place).is_err() {
                // It could not go back either: it stays where it is rather than be lost.
                let kept = aside.keep();
                return Err(error).with_context(|| cannot_write(&kept));
            }
            return Err(error).with_context(|| cannot_write(place));
        }
        Ok(())
    }

    /// Removes what the pull needed on its way.
    pub(super) fn leave(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn sweep(&self) -> anyhow::Result<()> {
        let entries = fs::read_dir(&self.folder).with_context(|| cannot_write(&self.folder))?;
        for entry in entries {
            let entry = entry.with_context(|| cannot_write(&self.folder))?;
            if entry.file_name().to_string_lossy().starts_with(PASSING) {
                let path = entry.path();
                fs::remove_dir_all(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Where this fails, the next pull does it.
        let _ = self.sweep();
        // Closing would do, were it not for a child that is just starting and has the file open too.
        let _ = self.lock.unlock();
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| cannot_write(folder))
}

pub(super) fn cannot_write(path: &Path) -> String {
    format!(
        "cannot write {}; check the free space and the folder's permissions, or choose another place \
         with ENGRAFT_HOME",
        path.display()
    )
}
