//! The tables of a memory's file. `events` is the truth; `items`, `mentions` and `texts` follow from it
//! and can be made anew; `vectors` are kept for speed only.

/// The version of these tables, kept as `user_version`.
pub(super) const VERSION: i64 = 1;

/// What says that an SQLite file is a memory: "Engr", kept as `application_id`.
pub(super) const APPLICATION: u32 = 0x456e_6772;

/// `items.first` is the number of the event that added the item: unique, and in the order of adding.
pub(super) const TABLES: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    operation TEXT NOT NULL
) STRICT;
CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the log of a memory only grows'); END;
CREATE TRIGGER events_keep_their_place BEFORE UPDATE OF seq, at, by ON events
BEGIN SELECT RAISE(ABORT, 'the log of a memory only grows'); END;

CREATE TABLE items (
    first INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    happened TEXT,
    votes INTEGER NOT NULL,
    source TEXT NOT NULL,
    pinned INTEGER NOT NULL,
    state TEXT NOT NULL,
    other TEXT,
    added TEXT NOT NULL,
    changed TEXT NOT NULL,
    last INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    text_hash BLOB NOT NULL
) STRICT;
CREATE INDEX items_by_content ON items (content_hash) WHERE state = 'current';
CREATE INDEX items_by_scope ON items (scope, kind, role) WHERE state = 'current';

CREATE TABLE mentions (
    item INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (item, seq)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE texts USING fts5 (
    text,
    content = 'items',
    content_rowid = 'first',
    tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE vectors (
    model TEXT NOT NULL,
    item INTEGER NOT NULL,
    text_hash BLOB NOT NULL,
    numbers BLOB NOT NULL,
    PRIMARY KEY (model, item)
) STRICT;
";
