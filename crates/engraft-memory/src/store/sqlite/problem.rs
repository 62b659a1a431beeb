//! What SQLite reports, as one sentence that names the file and what helps.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::MemoryError;

/// How long a writer waits for another one before it gives up.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// A problem with this file.
pub(super) fn at(path: &Path, problem: impl Into<String>) -> MemoryError {
    MemoryError::File {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// What an error of SQLite means for whoever uses the memory.
pub(super) fn of(path: &Path) -> impl Fn(Error) -> MemoryError {
    let path = path.to_owned();
    move |error| at(&path, sentence(&error))
}

fn sentence(error: &Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => format!(
            "could not be written, nothing of this change was kept ({error}); free some disk space and \
             try again"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "another program has been writing to it for {} seconds; end that program or try again",
            PATIENCE.as_secs()
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "may only be read; allow writing to the file and its folder".to_owned()
        }
        Some(ErrorCode::CannotOpen) => format!(
            "cannot be opened ({error}); check that the folder is there and may be written to"
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "is damaged or cut short; nothing was changed, restore a copy of it".to_owned()
        }
        _ => match error {
            Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..) => {
                format!("holds an entry that cannot be read ({error}); restore a copy of it")
            }
            _ => format!("cannot be used ({error}); restore a copy of it"),
        },
    }
}
