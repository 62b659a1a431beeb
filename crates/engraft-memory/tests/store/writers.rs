//! Several programs write at once, are killed, or find the disk full: nothing acknowledged is lost, nothing
//! is half there.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use engraft_memory::{Change, Id, SqliteStore, Store, store::Projection};

use crate::memory::{Memory, everything, insight};

/// This program again, as one that only adds items to a memory. It prints the name of each item after it
/// was acknowledged.
fn writer(path: &Path, name: &str, adds: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    as_writer(&mut command, path, name, adds);
    command
}

fn as_writer(command: &mut Command, path: &Path, name: &str, adds: usize) {
    command
        .args(["--exact", "writers::a_writer_adds_items", "--nocapture"])
        .env("ENGRAFT_TEST_WRITER", path)
        .env("ENGRAFT_TEST_NAME", name)
        .env("ENGRAFT_TEST_ADDS", adds.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
}

/// Not a test by itself: the tests below run it in programs of their own.
#[test]
fn a_writer_adds_items() {
    let Some(path) = std::env::var_os("ENGRAFT_TEST_WRITER") else {
        return;
    };
    let name = std::env::var("ENGRAFT_TEST_NAME").unwrap();
    let adds: usize = std::env::var("ENGRAFT_TEST_ADDS").unwrap().parse().unwrap();
    let mut store = SqliteStore::open(path).unwrap();
    let mut out = std::io::stdout();
    for at in 0..adds {
        let change = Change::Add(insight(&format!(
            "{name} {at} {}",
            "words ".repeat(at % 50)
        )));
        match store.apply(&name, vec![change]) {
            Ok(applied) => writeln!(out, "\nadded {}", applied[0].id).unwrap(),
            Err(error) => {
                let seq = store.seq().unwrap();
                writeln!(out, "\nrefused {error}\nseq {seq}").unwrap();
                return;
            }
        }
        out.flush().unwrap();
    }
}

/// The names that a writer was told were kept, up to its end.
fn acknowledged(writer: &mut Child) -> Vec<Id> {
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let whole = lines.map_while(Result::ok);
    // A name that the kill cut short was not read as one: its line has no end.
    let ids = whole.filter_map(|line| Some(Id(line.strip_prefix("added ")?.to_owned())));
    ids.filter(|id| id.0.len() == "insight-12345678".len())
        .collect()
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn four_writers_at_once_lose_nothing() {
    let memory = Memory::new();
    let start = |at| {
        writer(&memory.place.path, &format!("writer {at}"), 100)
            .spawn()
            .unwrap()
    };
    let mut writers: Vec<_> = (0..4).map(start).collect();
    let told: Vec<Id> = writers.iter_mut().flat_map(acknowledged).collect();
    assert!(
        writers
            .iter_mut()
            .all(|writer| writer.wait().unwrap().success())
    );
    let there: BTreeSet<Id> = ids(&memory.store);
    assert_eq!((told.len(), there.len()), (400, 400));
    assert!(told.iter().all(|id| there.contains(id)));
    assert_eq!(memory.store.seq().unwrap(), 400);
    memory.holds();
}

#[test]
fn four_programs_that_make_the_same_memory_share_it() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let path = folder.path().join(format!("memory-{round}"));
        let start = |at| writer(&path, &format!("writer {at}"), 5).spawn().unwrap();
        let mut writers: Vec<_> = (0..4).map(start).collect();
        assert!(
            writers
                .iter_mut()
                .all(|writer| acknowledged(writer).len() == 5)
        );
        writers
            .iter_mut()
            .for_each(|writer| assert!(writer.wait().unwrap().success()));
        assert_eq!(
            SqliteStore::open_existing(&path).unwrap().seq().unwrap(),
            20
        );
    }
}

#[test]
fn two_hundred_kills_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let mut dice = Dice(7);
    let mut told = BTreeSet::new();
    let mut writing = 0;
    // Two at a time, so that one is often killed while the other waits for it.
    for round in 0..100 {
        let start = |at| {
            writer(&path, &format!("{round}/{at}"), usize::MAX)
                .spawn()
                .unwrap()
        };
        let mut pair: Vec<_> = (0..2).map(start).collect();
        for child in &mut pair {
            std::thread::sleep(Duration::from_micros(dice.below(120_000)));
            child.kill().unwrap();
        }
        for child in &mut pair {
            let ids = acknowledged(child);
            writing += usize::from(!ids.is_empty());
            told.extend(ids);
            child.wait().unwrap();
        }
        let store = match SqliteStore::open_existing(&path) {
            Ok(store) => store,
            // Nobody lived long enough to make it.
            Err(error) => {
                assert!(!path.exists() && told.is_empty(), "{error}");
                continue;
            }
        };
        let events = store.events(0, usize::MAX).unwrap();
        assert!((1..).zip(&events).all(|(seq, event)| seq == event.seq));
        let items = store.items(&everything()).unwrap();
        assert_eq!(Projection::of(&events).unwrap().items(), items);
        let there: BTreeSet<Id> = items.into_iter().map(|item| item.id).collect();
        assert!(told.is_subset(&there), "acknowledged and gone");
    }
    assert_eq!(
        SqliteStore::open(&path).unwrap().check().unwrap(),
        Vec::<String>::new()
    );
    println!(
        "{} of 200 were killed while they wrote, {} adds",
        writing,
        told.len()
    );
    assert!(
        writing > 50,
        "most were killed before they wrote anything: {writing}"
    );
}

#[test]
fn a_full_disk_is_one_sentence_and_leaves_a_memory_that_can_be_used() {
    let mut memory = Memory::new();
    memory.add("before");
    let program = std::env::current_exe().unwrap();
    // Files of this shell's children end at 300 KiB, as if the disk did.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 600 && exec \"$0\" \"$@\""]);
    command.arg(program);
    as_writer(&mut command, &memory.place.path, "full", usize::MAX);
    let Ok(mut child) = command.spawn() else {
        return println!("skipped: there is no shell that limits the size of files");
    };
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let refused = line("refused ").unwrap_or_else(|| panic!("it was never full: {said}"));
    assert!(
        refused.contains("memory.db") && refused.contains("free some disk space"),
        "{refused}"
    );
    let added = said
        .lines()
        .filter(|line| line.starts_with("added "))
        .count();
    assert_eq!(line("seq "), Some((added + 1).to_string().as_str()));
    assert_eq!(memory.store.seq().unwrap() as usize, added + 1);
    memory.add("after");
    memory.holds();
}

fn ids(store: &SqliteStore) -> BTreeSet<Id> {
    let items = store.items(&everything()).unwrap();
    items.into_iter().map(|item| item.id).collect()
}
