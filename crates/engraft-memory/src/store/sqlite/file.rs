//! The file of a memory: how it comes into being, whole or not at all, and how it is told from others.

use std::{
    fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{
    problem::{self, PATIENCE},
    schema::{APPLICATION, TABLES, VERSION},
};
use crate::{MemoryError, store::version};

/// How every SQLite file begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The length of its header, and where in it the application's number is. All numbers are big-endian.
const HEADER: usize = 100;
const APPLICATION_AT: usize = 68;
/// Where it has the size of a page (1 for 65536) and their number.
const PAGE_SIZE_AT: usize = 16;
const PAGES_AT: usize = 28;
/// How often, and how long in between, a file that seems to be cut short is looked at.
const TRIES: usize = 3;
const MOMENT: Duration = Duration::from_millis(20);

/// Opens the memory in a file. A file that is none is not touched.
pub(super) fn connect(path: &Path) -> Result<Connection, MemoryError> {
    recognise(path)?;
    // SQLite would quietly open it for reading only.
    if let Err(error) = fs::OpenOptions::new().append(true).open(path) {
        return Err(problem::at(
            path,
            format!("may not be written to ({error}); allow that, or copy it to where you may"),
        ));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(problem::of(path))?;
    let version = prepare(&connection).map_err(problem::of(path))?;
    version::known(version, VERSION).map_err(|wrong| problem::at(path, wrong))?;
    Ok(connection)
}

/// Settings of a connection; gives the version of the file.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Every commit reaches the disk before it is acknowledged: a power cut loses nothing either.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    // An addition is about ten pages. Moving them from the log into the file takes milliseconds, so that it is not
    // done every hundred additions, as SQLite's 1000 pages would have it.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // The first look at a table: a file that is cut short shows itself here.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(version)
}

/// Whether the first bytes are those of a memory, and as many bytes there as they say.
fn recognise(path: &Path) -> Result<(), MemoryError> {
    let header = header(path)?;
    let wrong = if header.is_empty() {
        "is empty and no memory; give another path or delete it"
    } else if !header.starts_with(MAGIC) || header.len() < HEADER {
        "is no memory but another kind of file; give another path"
    } else if header[APPLICATION_AT..][..4] != APPLICATION.to_be_bytes() {
        "is an SQLite file of another program and no memory; give another path"
    } else if (0..TRIES).all(|_| cut_short(path)) {
        "is cut short; nothing was changed, restore a copy of it"
    } else {
        return Ok(());
    };
    Err(problem::at(path, wrong))
}

fn header(path: &Path) -> Result<Vec<u8>, MemoryError> {
    let mut header = Vec::new();
    let file = fs::File::open(path);
    let read = file.and_then(|file| file.take(HEADER as u64).read_to_end(&mut header));
    let problem = match read {
        Ok(_) => return Ok(header),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            "there is no memory here; check the path, or make one by adding something to it"
                .to_owned()
        }
        Err(error) => format!("cannot be read ({error}); a memory is one file that you may read"),
    };
    Err(problem::at(path, problem))
}

/// Whether bytes are missing at the end. While there is a write-ahead log, SQLite knows better; and while
/// a program that is just closing the memory copies its log into it, it looks so for a moment.
fn cut_short(path: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let missing = || {
        let header = header(path).ok()?;
        let number = |at: usize, width: usize| {
            let bytes = header.get(at..at + width)?.iter();
            Some(bytes.fold(0u64, |number, &byte| number << 8 | u64::from(byte)))
        };
        let page = match number(PAGE_SIZE_AT, 2)? {
            1 => 1 << 16,
            page => page,
        };
        Some(length(path) < page * number(PAGES_AT, 4)?)
    };
    let short = length(&beside(path, "-wal")) == 0 && missing().unwrap_or(true);
    if short {
        std::thread::sleep(MOMENT);
    }
    short
}

/// Makes an empty memory where nothing is. Whoever makes one at the same moment is not overwritten.
pub(super) fn create(path: &Path) -> Result<(), MemoryError> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| {
        problem::at(
            path,
            format!("cannot be made ({error}); check the folder's permissions and the free space"),
        )
    };
    fs::create_dir_all(folder).map_err(failed)?;
    // SQLite would take what is left of another memory's log for this one's.
    let left = beside(path, "-wal");
    if left.exists() && !path.exists() {
        return Err(problem::at(
            &left,
            "is left from a memory that is gone; move it away or delete it",
        ));
    }
    let fresh = Fresh::new(folder).map_err(failed)?;
    fill(&fresh.0).map_err(problem::of(path))?;
    match fs::hard_link(&fresh.0, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => sync(folder).map_err(failed),
    }
}

/// Writes the tables. The file is in WAL mode from the start: nobody ever has to switch it.
fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.execute_batch(TABLES)?;
    transaction.commit()?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

#[cfg(unix)]
fn sync(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

/// A file that is being made, under a name that `engraft_files::is_leftover` knows. Gone when dropped.
struct Fresh(PathBuf);

impl Fresh {
    fn new(folder: &Path) -> std::io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            ".file-memory-{}-{}-{}",
            std::process::id(),
            Timestamp::now().as_nanosecond(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = folder.join(name);
        fs::File::create_new(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            // Most of them are not there, and one that stays is known as a leftover.
            let _ = fs::remove_file(beside(&self.0, end));
        }
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
