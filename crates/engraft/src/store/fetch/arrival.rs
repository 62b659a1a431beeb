//! A file on its way: hashed as it comes, and under its own name only once it is the right one.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use super::{Failed, Item};

pub(super) struct Arrival<'a> {
    item: &'a Item,
    /// Where the file will stand.
    place: PathBuf,
    /// Where it stands until it is right.
    part: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    bar: ProgressBar,
}

/// Takes a whole file from a reader. Where it is not the right one, nothing of it stays.
pub(super) fn receive(item: &Item, from: &mut dyn Read, folder: &Path) -> Result<(), Failed> {
    let mut arrival = Arrival::open(item, folder)?;
    match arrival.restart().and_then(|()| arrival.take(from)) {
        Ok(()) => arrival.settle(),
        Err(error) => {
            arrival.discard();
            Err(error)
        }
    }
}

impl<'a> Arrival<'a> {
    /// Goes on after what an earlier try left.
    pub(super) fn continued(item: &'a Item, folder: &Path) -> Result<Self, Failed> {
        let mut arrival = Self::open(item, folder)?;
        let mut block = vec![0; BLOCK];
        loop {
            let room = (item.bytes - arrival.bytes).min(BLOCK as u64) as usize;
            match arrival.file.read(&mut block[..room]) {
                Ok(0) => break,
                Ok(read) => {
                    arrival.hash.update(&block[..read]);
                    arrival.bytes += read as u64;
                }
                Err(error) => return Err(Failed::write(&arrival.part)(error)),
            }
        }
        arrival.bar.set_position(arrival.bytes);
        arrival.bar.reset_eta();
        Ok(arrival)
    }

    fn open(item: &'a Item, folder: &Path) -> Result<Self, Failed> {
        let place = folder.join(item.path);
        let part = folder.join(format!("{}.part", item.path));
        if let Some(parent) = part.parent() {
            fs::create_dir_all(parent).map_err(Failed::write(parent))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .map_err(Failed::write(&part))?;
        Ok(Self {
            item,
            place,
            part,
            file,
            hash: Sha256::new(),
            bytes: 0,
            bar: bar(item),
        })
    }

    /// Forgets what has come.
    pub(super) fn restart(&mut self) -> Result<(), Failed> {
        self.file
            .rewind()
            .and_then(|()| self.file.set_len(0))
            .map_err(Failed::write(&self.part))?;
        self.hash.reset();
        self.bytes = 0;
        self.bar.set_position(0);
        Ok(())
    }

    /// Bytes that have come.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes what a reader has, and never more than the file measures.
    pub(super) fn take(&mut self, from: &mut dyn Read) -> Result<(), Failed> {
        let mut from = from.take(self.item.bytes - self.bytes);
        let mut block = vec![0; BLOCK];
        loop {
            let read = match from.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    let sentence = format!("{} ended early", self.item.path);
                    return Err(Failed::Source(anyhow::Error::new(error).context(sentence)));
                }
            };
            self.file
                .write_all(&block[..read])
                .map_err(Failed::write(&self.part))?;
            self.hash.update(&block[..read]);
            self.bytes += read as u64;
            self.bar.set_position(self.bytes);
        }
    }

    /// Removes what has come.
    pub(super) fn discard(self) {
        // Called because something else went wrong, and that is what is told.
        let _ = fs::remove_file(self.part);
    }

    /// Gives the file its name if it is the right one, and removes it if it is not.
    pub(super) fn settle(self) -> Result<(), Failed> {
        let Item {
            path,
            bytes,
            sha256,
        } = self.item;
        let got = format!("{:x}", self.hash.finalize());
        if self.bytes != *bytes || got != *sha256 {
            fs::remove_file(&self.part).map_err(Failed::write(&self.part))?;
            return Err(Failed::source(if self.bytes == *bytes {
                format!("{path} is not what was published: its sha256 is {got}, wanted {sha256}")
            } else {
                format!("{path} ends after {} of {bytes} bytes", self.bytes)
            }));
        }
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.part, &self.place))
            .map_err(Failed::write(&self.place))
    }
}

/// Large enough that reading and hashing, not calls, take the time.
const BLOCK: usize = 1 << 17;

/// Shown on a terminal only, and gone with the arrival.
fn bar(item: &Item) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {decimal_bytes:>9}/{decimal_total_bytes} \
         {decimal_bytes_per_sec:>12} {eta:>5} left",
    )
    .expect("the template is fixed");
    let bar = ProgressBar::new(item.bytes).with_style(style);
    bar.set_prefix(item.path);
    bar
}
