//! Words that have to go for good: out of the log, out of every table and out of the tables' files.
//!
//! What the server keeps beside its tables is not reached: its write-ahead log, copies on other servers
//! and backups hold old words for as long as they are kept.

use postgres::types::Type;

use super::{link::Link, row::signed, write::Writer};
use crate::{Id, MemoryError, store::redaction};

/// Writes the tables anew. Rows that are replaced or deleted stay in the files until then, and with VACUUM
/// as long as any transaction of the server is older; a column of another type, even if it is the same
/// one, leaves them behind at once.
const ANEW: &str = "
ALTER TABLE engraft_memory.events ALTER operation TYPE TEXT USING operation || '';
ALTER TABLE engraft_memory.items ALTER text TYPE TEXT USING text || '';
ALTER TABLE engraft_memory.vectors ALTER model TYPE TEXT USING model || '';
";

/// Takes an item's words out; only the owner of the tables can. A second time is no error.
pub(super) fn purge(link: &Link, id: &Id) -> Result<(), MemoryError> {
    let mut writer = Writer::begin(link)?;
    let item = redaction::redact(&mut writer, id)?;
    link.execute(
        "DELETE FROM engraft_memory.vectors WHERE item = $1",
        &[(&signed(item.first), Type::INT8)],
    )?;
    link.batch(ANEW)?;
    writer.commit()
}
