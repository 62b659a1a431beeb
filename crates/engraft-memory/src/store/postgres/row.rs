//! What rows hold, as the types of a memory.

use jiff::Timestamp;
use postgres::{Row, types::FromSql};
use serde::de::DeserializeOwned;

use super::address::Place;
use crate::MemoryError;

/// A row of a certain database.
pub(super) struct Columns<'a> {
    pub place: &'a Place,
    pub row: &'a Row,
}

impl<'a> Columns<'a> {
    /// A value as it is.
    pub fn value<T: FromSql<'a>>(&self, column: usize) -> Result<T, MemoryError> {
        let value = self.row.try_get(column);
        value.map_err(|error| self.unreadable(column, &super::problem::said(&error)))
    }

    /// A number that is never negative.
    pub fn number(&self, column: usize) -> Result<u64, MemoryError> {
        let number: i64 = self.value(column)?;
        let number = u64::try_from(number);
        number.map_err(|error| self.unreadable(column, &error.to_string()))
    }

    pub fn time(&self, column: usize) -> Result<Timestamp, MemoryError> {
        self.parsed(column, self.value(column)?)
    }

    pub fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, MemoryError> {
        let text: Option<&str> = self.value(column)?;
        text.map(|text| self.parsed(column, text)).transpose()
    }

    fn parsed(&self, column: usize, text: &str) -> Result<Timestamp, MemoryError> {
        let time = text.parse();
        time.map_err(|error: jiff::Error| self.unreadable(column, &error.to_string()))
    }

    pub fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, MemoryError> {
        let value = serde_json::from_str(self.value(column)?);
        value.map_err(|error| self.unreadable(column, &error.to_string()))
    }

    pub fn unreadable(&self, column: usize, problem: &str) -> MemoryError {
        let columns = self.row.columns();
        let name = columns.get(column).map_or("?", |column| column.name());
        self.place.at(format!(
            "holds an entry that cannot be read ({name}: {problem}); restore a copy of it"
        ))
    }
}

/// A number as the server takes it. Logs do not grow so long that it would not fit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A text to compare with. None that the server keeps holds a NUL, and it takes none: instead of such a
/// text it gets NULL, which nothing is equal to.
pub(super) fn comparable(text: &str) -> Option<&str> {
    (!text.contains('\0')).then_some(text)
}
