//! Files that are no memory, or not one for this program, are refused in a sentence and left as they are.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use engraft_memory::{SqliteStore, Store};

use crate::memory::Memory;

/// What opening says; the file must be the same afterwards.
fn refusal(path: &Path) -> String {
    let before = fs::read(path).unwrap();
    let said = SqliteStore::open(path).err().unwrap().to_string();
    assert_eq!(fs::read(path).unwrap(), before, "the file was changed");
    assert_eq!(
        SqliteStore::open_existing(path).err().unwrap().to_string(),
        said
    );
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    said
}

/// The bytes of a memory with a few hundred items, closed.
fn bytes() -> Vec<u8> {
    let mut memory = Memory::new();
    for at in 0..300 {
        memory.add(&format!("item {at} {}", "text ".repeat(50)));
    }
    let Memory { store, place } = &mut memory;
    *store = SqliteStore::open(place.path.with_extension("other")).unwrap();
    fs::read(&place.path).unwrap()
}

#[test]
fn nothing_is_made_where_a_memory_is_only_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let said = SqliteStore::open_existing(&path).err().unwrap().to_string();
    assert!(
        said.contains("memory.db: there is no memory here"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn making_one_makes_its_folder_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/memory.db");
    drop(SqliteStore::open(&path).unwrap());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(SqliteStore::open_existing(&path).unwrap().seq().unwrap(), 0);
}

#[test]
fn what_a_crash_left_of_another_memory_is_not_taken_for_this_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    fs::write(folder.path().join("memory.db-wal"), "old").unwrap();
    let said = SqliteStore::open(&path).err().unwrap().to_string();
    assert!(
        said.contains("memory.db-wal") && said.contains("delete it"),
        "{said}"
    );
    assert!(!path.exists());
}

#[test]
fn other_kinds_of_files_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for (content, said) in [
        (Vec::new(), "is empty"),
        (b"# Notes\n".to_vec(), "another kind"),
        (b"SQLite format 3\0".to_vec(), "another kind"),
        (vec![0; 5000], "another kind"),
    ] {
        fs::write(&path, content).unwrap();
        assert!(refusal(&path).contains(said));
    }
    fs::remove_file(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE events (seq)")
        .unwrap();
    drop(connection);
    assert!(refusal(&path).contains("another program"));
    assert!(SqliteStore::open(folder.path()).is_err());
}

#[test]
fn a_memory_that_is_cut_short_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let whole = bytes();
    for length in [
        50,
        100,
        4096,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        let said = refusal(&path);
        let known = ["cut short", "another kind"];
        assert!(
            known.iter().any(|known| said.contains(known)),
            "{length}: {said}"
        );
    }
}

#[test]
fn a_later_version_is_refused_by_name() {
    let memory = Memory::new();
    let connection = rusqlite::Connection::open(&memory.place.path).unwrap();
    for (version, parts) in [
        (7, ["version 7", "up to 1", "update engraft"]),
        (0, ["version 0", "no memory has", "copy"]),
    ] {
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
        let said = refusal(&memory.place.path);
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn a_file_that_may_only_be_read_is_refused() {
    let mut memory = Memory::new();
    memory.add("a");
    let mut permissions = fs::metadata(&memory.place.path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&memory.place.path, permissions).unwrap();
    if fs::OpenOptions::new()
        .append(true)
        .open(&memory.place.path)
        .is_err()
    {
        let said = SqliteStore::open(&memory.place.path)
            .err()
            .unwrap()
            .to_string();
        assert!(said.contains("may not be written to"), "{said}");
        return;
    }
    // The administrator may write to every file: somebody else has to try.
    let folder = memory.place.path.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let program = std::env::current_exe().unwrap();
    let opened = Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "files::somebody_else_opens_it", "--nocapture"])
        .env("ENGRAFT_TEST_OPEN", &memory.place.path)
        .output();
    match opened {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("may not be written to"), "{said}");
        }
        other => println!("skipped: nobody else can be asked to open the file ({other:?})"),
    }
}

/// Not a test by itself: the test above runs it as another user.
#[test]
fn somebody_else_opens_it() {
    if let Some(path) = std::env::var_os("ENGRAFT_TEST_OPEN") {
        println!("{}", SqliteStore::open(path).err().unwrap());
    }
}
