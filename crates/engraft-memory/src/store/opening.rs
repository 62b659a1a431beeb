//! Where memories may be, and what opens each.

#[cfg(feature = "postgres")]
use super::PostgresStore;
use super::{SqliteStore, Store};
use crate::MemoryError;

/// Opens the memory at a place, or makes an empty one where nothing is: an address that begins with
/// `postgres://` or `postgresql://` is a database (of a build with the feature `postgres`), everything else
/// the path of a file.
///
/// # Errors
/// As [`SqliteStore::open`] and `PostgresStore::open`; an address of a database in a build without them.
pub fn open(place: &str) -> Result<Box<dyn Store>, MemoryError> {
    match is_database(place) {
        true => database(place, Opening::Make),
        false => Ok(Box::new(SqliteStore::open(place)?)),
    }
}

/// Opens a memory that is there. Places are those of [`open`].
///
/// # Errors
/// As [`open`], and where there is none.
pub fn open_existing(place: &str) -> Result<Box<dyn Store>, MemoryError> {
    match is_database(place) {
        true => database(place, Opening::Find),
        false => Ok(Box::new(SqliteStore::open_existing(place)?)),
    }
}

/// Whether a place is a database of a server, and not a file.
pub fn is_database(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}

/// Whether a memory may be made where there is none.
enum Opening {
    Make,
    Find,
}

#[cfg(feature = "postgres")]
fn database(address: &str, opening: Opening) -> Result<Box<dyn Store>, MemoryError> {
    Ok(Box::new(match opening {
        Opening::Make => PostgresStore::open(address)?,
        Opening::Find => PostgresStore::open_existing(address)?,
    }))
}

/// The address is not repeated: it may hold a password.
#[cfg(not(feature = "postgres"))]
fn database(_address: &str, _opening: Opening) -> Result<Box<dyn Store>, MemoryError> {
    Err(MemoryError::Refused(
        "this engraft was built without PostgreSQL; build it with `--features postgres`, or name a file"
            .to_owned(),
    ))
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_databases_says_so_and_keeps_passwords_to_itself() {
        for place in [
            "postgres://anna:hunter2@host/x",
            "postgresql://anna:hunter2@/x",
        ] {
            for opened in [open(place), open_existing(place)] {
                let said = opened.err().unwrap().to_string();
                assert!(said.contains("--features postgres"), "{said}");
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
        assert!(!is_database("postgres.db"));
    }
}
