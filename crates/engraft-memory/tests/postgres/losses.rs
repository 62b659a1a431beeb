//! Connections that are lost: what was acknowledged stays, what was not is not there by halves, and the next
//! call connects again.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use engraft_memory::{Change, Id, PostgresStore, Store};
use postgres::Client;

use crate::{
    memory::{Memory, everything, insight},
    server,
};

/// Ends all other connections of the database; gives how many there were.
fn end_all(client: &mut Client) -> i64 {
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND backend_type = 'client backend'";
    client.query_one(end, &[]).unwrap().get(0)
}

#[test]
fn a_connection_that_was_lost_while_nobody_asked_is_made_again_at_once() {
    let mut memory = Memory::new();
    memory.add("a");
    let mut client = memory.place.client();
    assert_eq!(end_all(&mut client), 1);
    assert_eq!(memory.store.items(&everything()).unwrap().len(), 1);
    assert_eq!(end_all(&mut client), 1);
    memory.add("b");
    assert_eq!(end_all(&mut client), 1);
    memory.holds();
}

#[test]
fn connections_that_are_ended_amid_writing_lose_nothing_that_was_acknowledged() {
    let memory = Memory::new();
    let done = AtomicBool::new(false);
    let write = |name: usize, mut store: PostgresStore| {
        let (mut told, mut lost) = (BTreeSet::new(), 0);
        for at in 0.. {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let changes = [0, 1].map(|half| insight(&format!("{name} {at} {half}")));
            match store.apply("test", changes.map(Change::Add).into()) {
                Ok(applied) => told.extend(applied.into_iter().map(|applied| applied.id)),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains(&memory.place.database), "{said}");
                    lost += 1;
                }
            }
        }
        (told, lost)
    };
    let (told, lost) = thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (0..2)
            .map(|name| {
                let store = memory.place.open();
                scope.spawn(move || write(name, store))
            })
            .collect();
        let mut client = memory.place.client();
        let mut ended = 0;
        for wait in (1..=60).map(|round| round * 7 % 23) {
            thread::sleep(Duration::from_millis(wait));
            ended += end_all(&mut client);
        }
        done.store(true, Ordering::Relaxed);
        let mut all: (BTreeSet<Id>, usize) = Default::default();
        for (told, lost) in writers.into_iter().map(|writer| writer.join().unwrap()) {
            all.0.extend(told);
            all.1 += lost;
        }
        assert!(ended > 20, "{ended}");
        all
    });
    let items = memory.store.items(&everything()).unwrap();
    // Both halves of a change are there, or none.
    let halves = |half: &str| {
        let items = items.iter().map(|item| &item.content.text);
        items.filter(|text| text.ends_with(half)).count()
    };
    assert_eq!(halves(" 0"), halves(" 1"));
    let there: BTreeSet<Id> = items.iter().map(|item| item.id.clone()).collect();
    assert!(told.is_subset(&there), "acknowledged and gone");
    let events = memory.store.events(0, usize::MAX).unwrap();
    assert!((1..).zip(&events).all(|(seq, event)| seq == event.seq));
    memory.holds();
    println!(
        "{lost} changes were cut off, {} items were acknowledged",
        told.len()
    );
    assert!(lost > 0, "no change was cut off");
    assert!(
        told.len() > 20,
        "hardly anything was written: {}",
        told.len()
    );
}

#[test]
fn a_server_that_is_gone_is_named_without_the_password() {
    let memory = Memory::new();
    let database = &memory.place.database;
    server::administer(
        database,
        &format!("GRANT CREATE ON DATABASE {database} TO locked"),
    );
    drop(memory.place.open());
    let grant = "GRANT USAGE ON SCHEMA engraft_memory TO locked; \
                 GRANT SELECT ON ALL TABLES IN SCHEMA engraft_memory TO locked";
    server::administer(database, grant);
    let store = PostgresStore::open(&server::address_of("locked:right", database)).unwrap();
    assert_eq!(store.seq().unwrap(), 0);
    server::administer(
        "postgres",
        &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"),
    );
    let end = format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
    );
    server::administer("postgres", &end);
    let before = Instant::now();
    let said = store.seq().unwrap_err().to_string();
    assert!(
        said.contains(server::folder()) && said.contains(database),
        "{said}"
    );
    assert!(!said.contains("right"), "{said}");
    assert!(before.elapsed() < Duration::from_secs(20));
    server::administer(
        "postgres",
        &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"),
    );
    assert_eq!(store.seq().unwrap(), 0);
}
