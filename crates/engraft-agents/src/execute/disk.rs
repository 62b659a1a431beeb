//! How much a command wrote into its work copy.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::processes::Family;

/// Measures a folder now and then: often enough to stop a flood, seldom enough to cost little.
pub(super) struct Growth {
    folder: PathBuf,
    start: u64,
    free: u64,
    next: Instant,
}

/// Least time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

impl Growth {
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            start: size(folder),
            free: free(folder),
            next: Instant::now() + PAUSE,
        }
    }

    /// Whether the folder grew by more than `most` bytes, files counted that were deleted and are still
    /// open; or the whole disk lost as much and has no more than that left (what lies in folders that
    /// we may not read shows only there). Looks at most every fifth of a second and a tenth of the
    /// time.
    pub(super) fn exceeds(&mut self, most: u64, family: &Family) -> bool {
        let start = Instant::now();
        if start < self.next {
            return false;
        }
        let now = size(&self.folder) + self.deleted(family);
        let grown = now.saturating_sub(self.start);
        let free = free(&self.folder);
        self.next = Instant::now() + PAUSE.max(start.elapsed() * 10);
        grown > most || (self.free.saturating_sub(free) > most && free < most)
    }

    /// Bytes of files on the folder's disk that have no name any more.
    fn deleted(&self, family: &Family) -> u64 {
        let Ok(folder) = fs::metadata(&self.folder) else {
            return 0;
        };
        let mut seen = HashSet::new();
        let files = family.descriptors();
        let files = files.filter_map(|descriptor| fs::metadata(descriptor).ok());
        files
            .filter(|file| file.is_file() && file.nlink() == 0 && file.dev() == folder.dev())
            .filter(|file| seen.insert(file.ino()))
            .map(|file| file.blocks() * 512)
            .sum()
    }
}

/// Bytes on the disk of all files below a folder, each counted once; links are not followed.
fn size(folder: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut folders = vec![folder.to_owned()];
    let mut total = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            if metadata.nlink() < 2 || metadata.is_dir() || seen.insert(metadata.ino()) {
                total += metadata.blocks() * 512;
            }
        }
    }
    total
}

/// Bytes that ordinary users may still write; without an answer as if there were no end.
fn free(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_link_weighs_nothing_and_a_link_out_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![1; 100_000]).unwrap();
        let one = size(folder.path());
        fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("c")).unwrap();
        assert!((100_000..200_000).contains(&one), "{one}");
        assert!(size(folder.path()) < one + 50_000);
    }
}
