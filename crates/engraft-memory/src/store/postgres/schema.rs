//! The tables of a memory in a database. `events` is the truth; `items` and `mentions` follow from it and
//! can be made anew; `vectors` are kept for speed only.

use super::{link::Link, row::Columns};
use crate::{MemoryError, store::version};

/// The version of these tables.
const VERSION: i32 = 1;

/// All but the embeddings. `items.first` is the number of the event that added the item: unique, and in
/// the order of adding. Scopes may be longer than an ordered index takes, so theirs is one of hashes.
/// Statistics of columns would hold words of theirs, where no purge finds them.
const TABLES: &str = "
CREATE TABLE engraft_memory.version (number INTEGER NOT NULL);

CREATE TABLE engraft_memory.events (
    seq BIGINT PRIMARY KEY,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    operation TEXT NOT NULL
);
ALTER TABLE engraft_memory.events ALTER operation SET STATISTICS 0;
CREATE FUNCTION engraft_memory.stay() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the log of a memory only grows'; END $$;
CREATE TRIGGER events_stay BEFORE DELETE OR TRUNCATE ON engraft_memory.events
FOR EACH STATEMENT EXECUTE FUNCTION engraft_memory.stay();
CREATE TRIGGER events_keep_their_place BEFORE UPDATE OF seq, at, by ON engraft_memory.events
FOR EACH STATEMENT EXECUTE FUNCTION engraft_memory.stay();

CREATE TABLE engraft_memory.items (
    first BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    happened TEXT,
    votes BIGINT NOT NULL,
    source TEXT NOT NULL,
    pinned BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    other TEXT,
    added TEXT NOT NULL,
    changed TEXT NOT NULL,
    last BIGINT NOT NULL,
    content_hash BYTEA NOT NULL,
    text_hash BYTEA NOT NULL,
    words TSVECTOR NOT NULL
);
ALTER TABLE engraft_memory.items ALTER text SET STATISTICS 0, ALTER data SET STATISTICS 0,
    ALTER words SET STATISTICS 0;
CREATE INDEX items_by_content ON engraft_memory.items (content_hash) WHERE state = 'current';
CREATE INDEX items_by_scope ON engraft_memory.items USING hash (scope) WHERE state = 'current';
CREATE INDEX items_by_words ON engraft_memory.items USING gin (words);

CREATE TABLE engraft_memory.mentions (
    item BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (item, seq)
);
";

/// Finds the memory of a database, or makes an empty one.
pub(super) fn open(link: &Link) -> Result<(), MemoryError> {
    let version = match version(link)? {
        Some(version) => version,
        None => create(link)?,
    };
    known(link, version)
}

/// Finds the memory of a database.
pub(super) fn find(link: &Link) -> Result<(), MemoryError> {
    match version(link)? {
        Some(version) => known(link, version),
        None => Err(link.place.at(
            "there is no memory here; check the database, or make one by adding something to it",
        )),
    }
}

fn known(link: &Link, version: i32) -> Result<(), MemoryError> {
    let known = version::known(version.into(), VERSION.into());
    known.map_err(|wrong| link.place.at(wrong))
}

/// The version of the memory that is there, if there is one.
fn version(link: &Link) -> Result<Option<i32>, MemoryError> {
    let there = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'engraft_memory' \
                 AND tablename = 'version'";
    if link.query(there, &[])?.is_empty() {
        return Ok(None);
    }
    let rows = link.query("SELECT max(number) FROM engraft_memory.version", &[])?;
    let place = &link.place;
    let number = |row| Columns { place, row }.value::<Option<i32>>(0);
    let version = rows.first().map(number).transpose()?.flatten();
    // Tables without a version are of no version that there is.
    Ok(Some(version.unwrap_or(0)))
}

/// Makes the tables, whole or not at all; whoever comes second finds those of the first.
fn create(link: &Link) -> Result<i32, MemoryError> {
    let transaction = link.begin()?;
    if let Some(version) = version(link)? {
        return Ok(version);
    }
    holds_every_letter(link)?;
    let extension = extension(link)?;
    let schema = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'engraft_memory'";
    if link.query(schema, &[])?.is_empty() {
        link.batch("CREATE SCHEMA engraft_memory")?;
    }
    link.batch(TABLES)?;
    link.batch(&format!(
        "CREATE TABLE engraft_memory.vectors (
            item BIGINT NOT NULL,
            model_hash BYTEA NOT NULL,
            model TEXT NOT NULL,
            text_hash BYTEA NOT NULL,
            numbers {extension}.vector NOT NULL,
            PRIMARY KEY (item, model_hash)
        );
        ALTER TABLE engraft_memory.vectors ALTER numbers SET STATISTICS 0;
        INSERT INTO engraft_memory.version VALUES ({VERSION});"
    ))?;
    transaction.commit()?;
    Ok(VERSION)
}

fn holds_every_letter(link: &Link) -> Result<(), MemoryError> {
    let rows = link.query("SELECT current_setting('server_encoding')", &[])?;
    let place = &link.place;
    let encoding = |row| Columns { place, row }.value::<String>(0);
    match rows.first().map(encoding).transpose()? {
        Some(encoding) if encoding != "UTF8" => Err(place.at(format!(
            "keeps texts as {encoding}, which has not every letter; make a database with ENCODING 'UTF8'"
        ))),
        _ => Ok(()),
    }
}

/// The schema that pgvector is in, as statements name it. It is enabled where that is allowed.
fn extension(link: &Link) -> Result<String, MemoryError> {
    if let Some(schema) = extension_schema(link)? {
        return Ok(schema);
    }
    let installed = "SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'vector'";
    if link.query(installed, &[])?.is_empty() {
        return Err(link.place.at(
            "the server has no pgvector, which keeps embeddings; install it there \
             (https://github.com/pgvector/pgvector) and run CREATE EXTENSION vector in this database as a \
             superuser",
        ));
    }
    let enabled = link.batch("CREATE EXTENSION vector");
    enabled.map_err(|error| {
        MemoryError::Refused(format!(
            "pgvector is not enabled in this database; run CREATE EXTENSION vector in it as a superuser \
             ({error})"
        ))
    })?;
    let schema = extension_schema(link)?;
    schema.ok_or_else(|| {
        link.place
            .at("pgvector is gone again; run CREATE EXTENSION vector")
    })
}

fn extension_schema(link: &Link) -> Result<Option<String>, MemoryError> {
    let rows = link.query(
        "SELECT quote_ident(nspname) FROM pg_catalog.pg_extension \
         JOIN pg_catalog.pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'",
        &[],
    )?;
    let place = &link.place;
    let schema = |row| Columns { place, row }.value(0);
    rows.first().map(schema).transpose()
}
