//! Which files of a work copy are still as they were put there, so that a reset need not write all of them.
//!
//! A command can set a file's times and size back. It cannot set back the time of the last change of the
//! inode (ctime), so where the file system keeps that one faithfully, it tells, together with inode, size and
//! mode. Elsewhere the bytes are compared: on tmpfs, for one, writing through a mapping leaves no time at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{WorkCopyError, copying, failed};

/// How it is told whether a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Witness {
    Clock,
    Bytes,
}

impl Witness {
    /// What can be trusted where a folder lies.
    pub(super) fn of(folder: &Path) -> Self {
        // ext2 to ext4, xfs, btrfs: they note the time when a mapped page is first written to.
        const FAITHFUL: [i64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];
        #[expect(clippy::unnecessary_cast, reason = "the type differs between machines")]
        let kind = rustix::fs::statfs(folder).map(|about| about.f_type as i64);
        match kind {
            Ok(kind) if FAITHFUL.contains(&kind) => Self::Clock,
            _ => Self::Bytes,
        }
    }
}

/// A file as it was put there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    mode: u32,
    size: u64,
    proof: Proof,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    Clock {
        device: u64,
        inode: u64,
        changed: Time,
    },
    Bytes(blake3::Hash),
    /// Where a link leads.
    Link(PathBuf),
}

/// Seconds and nanoseconds.
type Time = (i64, i64);

fn changed(metadata: &Metadata) -> Time {
    (metadata.ctime(), metadata.ctime_nsec())
}

impl Stamp {
    fn of(path: &Path, metadata: &Metadata, witness: Witness) -> io::Result<Self> {
        let proof = if metadata.is_symlink() {
            Proof::Link(fs::read_link(path)?)
        } else if witness == Witness::Clock {
            Proof::Clock {
                device: metadata.dev(),
                inode: metadata.ino(),
                changed: changed(metadata),
            }
        } else {
            let mut hash = blake3::Hasher::new();
            io::copy(&mut fs::File::open(path)?, &mut hash)?;
            Proof::Bytes(hash.finalize())
        };
        Ok(Self {
            mode: metadata.mode(),
            size: metadata.size(),
            proof,
        })
    }

    /// Whether what lies there is what was stamped. Only what could be it is read: a pipe would wait for ever.
    fn fits(&self, path: &Path, metadata: &Metadata, witness: Witness) -> bool {
        (self.mode, self.size) == (metadata.mode(), metadata.size())
            && Self::of(path, metadata, witness).is_ok_and(|now| now == *self)
    }
}

/// All files of the base and what is known of each.
#[derive(Debug)]
pub(super) struct Stamps {
    witness: Witness,
    /// `None` for a file that has to be put back whatever it looks like.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    /// The folders above them, with their modes.
    folders: BTreeMap<PathBuf, u32>,
}

impl Stamps {
    /// Of these files of a folder, as they are now. `clock` is a file that may be written to at any time.
    pub(super) fn of(
        folder: &Path,
        files: &[PathBuf],
        clock: &Path,
    ) -> Result<Self, WorkCopyError> {
        let unknown = |path: &PathBuf| (path.clone(), None);
        let mut stamps = Self {
            witness: Witness::of(folder),
            files: files.iter().map(unknown).collect(),
            folders: BTreeMap::new(),
        };
        for path in files {
            for above in path.ancestors().skip(1) {
                if stamps.folders.contains_key(above) {
                    break;
                }
                let full = folder.join(above);
                let mode = fs::symlink_metadata(&full).map_err(failed(&full))?.mode();
                stamps.folders.insert(above.to_owned(), mode);
            }
        }
        stamps.renew(folder, files, clock)?;
        Ok(stamps)
    }

    /// The same for a copy of the folder: what differs from the base there is to be put back.
    pub(super) fn of_copy(
        &self,
        from: &Path,
        to: &Path,
        clock: &Path,
    ) -> Result<Self, WorkCopyError> {
        let mut stamps = Self {
            witness: Witness::of(to),
            files: self.files.keys().map(|path| (path.clone(), None)).collect(),
            folders: self.folders.clone(),
        };
        let same: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|(path, stamp)| {
                let full = from.join(path);
                let metadata = fs::symlink_metadata(&full);
                let fits = |stamp: &Stamp| {
                    metadata.is_ok_and(|metadata| stamp.fits(&full, &metadata, self.witness))
                };
                stamp.as_ref().is_some_and(fits)
            })
            .map(|(path, _)| path.clone())
            .collect();
        stamps.renew(to, &same, clock)?;
        Ok(stamps)
    }

    /// Looks at files that are as they should be, and lets the clock go on, so that a change right after this
    /// has a later time.
    pub(super) fn renew(
        &mut self,
        folder: &Path,
        files: &[PathBuf],
        clock: &Path,
    ) -> Result<(), WorkCopyError> {
        let mut latest = Time::default();
        for path in files {
            let full = folder.join(path);
            let metadata = fs::symlink_metadata(&full).map_err(failed(&full))?;
            latest = latest.max(changed(&metadata));
            let stamp = Stamp::of(&full, &metadata, self.witness).map_err(failed(&full))?;
            self.files.insert(path.clone(), Some(stamp));
        }
        if self.witness == Witness::Clock && !passes(clock, latest).map_err(failed(clock))? {
            // A clock that stands still tells nothing.
            self.files.values_mut().for_each(|stamp| *stamp = None);
        }
        Ok(())
    }

    /// Removes all that is not as it was put there, and says which files of the base are missing now.
    /// `place` is a folder of ours beside it.
    pub(super) fn sweep(&self, folder: &Path, place: &Path) -> Result<Vec<PathBuf>, WorkCopyError> {
        let mut kept = BTreeSet::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(at) = folders.pop() {
            let full = folder.join(&at);
            self.open(&at, &full)?;
            for entry in fs::read_dir(&full).map_err(failed(&full))? {
                let entry = entry.map_err(failed(&full))?;
                let (path, full) = (at.join(entry.file_name()), entry.path());
                let metadata = fs::symlink_metadata(&full).map_err(failed(&full))?;
                let stamp = self.files.get(&path).and_then(Option::as_ref);
                if metadata.is_dir() {
                    match self.folders.contains_key(&path) {
                        true => folders.push(path),
                        false => copying::remove_folder(&full, place)?,
                    }
                } else if stamp.is_some_and(|stamp| stamp.fits(&full, &metadata, self.witness)) {
                    kept.insert(path);
                } else {
                    fs::remove_file(&full).map_err(failed(&full))?;
                }
            }
        }
        let missing = self.files.keys().filter(|path| !kept.contains(*path));
        Ok(missing.cloned().collect())
    }

    /// Gives a folder back the mode that it had, which lets us read and change it.
    fn open(&self, at: &Path, full: &Path) -> Result<(), WorkCopyError> {
        let Some(mode) = self.folders.get(at) else {
            return copying::grant(full, 0o700);
        };
        let metadata = fs::symlink_metadata(full).map_err(failed(full))?;
        if metadata.mode() == *mode {
            return Ok(());
        }
        fs::set_permissions(full, fs::Permissions::from_mode(*mode)).map_err(failed(full))
    }
}

/// Waits until what is written now gets a later time than this one; false if that does not come.
fn passes(clock: &Path, latest: Time) -> io::Result<bool> {
    // Old file systems count in seconds.
    let end = Instant::now() + Duration::from_secs(3);
    loop {
        fs::write(clock, b"x")?;
        if changed(&fs::symlink_metadata(clock)?) > latest {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
