//! Opening a memory: what is made, and what is refused in which sentence.

use engraft_memory::{Change, PostgresStore, Store};

use crate::{
    memory::{Memory, insight},
    place::Place,
    server,
};

/// What opening says; never with the password.
fn refusal(address: &str) -> String {
    let said = PostgresStore::open(address).err().unwrap().to_string();
    let existing = PostgresStore::open_existing(address).err().unwrap();
    assert!(!said.contains("hunter2") && !existing.to_string().contains("hunter2"));
    said
}

#[test]
fn nothing_is_made_where_a_memory_is_only_looked_for() {
    let place = Place::new();
    let said = PostgresStore::open_existing(&place.address())
        .err()
        .unwrap();
    assert!(
        said.to_string().contains("there is no memory here"),
        "{said}"
    );
    let schemas = "SELECT FROM pg_namespace WHERE nspname = 'engraft_memory'";
    assert!(place.client().query(schemas, &[]).unwrap().is_empty());
    drop(place.open());
    let store = PostgresStore::open_existing(&place.address()).unwrap();
    assert_eq!(store.seq().unwrap(), 0);
}

#[test]
fn the_prefix_of_a_place_decides_where_a_memory_is_kept() {
    let memory = Memory::new();
    let mut store = engraft_memory::store::open(&memory.place.address()).unwrap();
    store
        .apply("test", vec![Change::Add(insight("a"))])
        .unwrap();
    assert_eq!(memory.store.seq().unwrap(), 1);
    let long = memory
        .place
        .address()
        .replacen("postgres://", "postgresql://", 1);
    assert_eq!(
        engraft_memory::store::open_existing(&long)
            .unwrap()
            .seq()
            .unwrap(),
        1
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.db");
    drop(engraft_memory::store::open(file.to_str().unwrap()).unwrap());
    assert!(file.is_file());
}

#[test]
fn a_later_version_is_refused_by_name() {
    let memory = Memory::new();
    for (version, parts) in [
        (7, ["version 7", "up to 1", "update engraft"]),
        (0, ["version 0", "no memory has", "copy"]),
    ] {
        memory
            .place
            .attack(&format!("UPDATE version SET number = {version}"))
            .unwrap();
        let said = refusal(&memory.place.address());
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn a_wrong_password_or_none_is_refused_with_the_user() {
    let said = refusal(&server::address_of("locked:hunter2", "postgres"));
    assert!(
        said.contains("does not let user locked in") && said.contains("password"),
        "{said}"
    );
    let said = refusal(&server::address_of("locked", "postgres"));
    assert!(said.contains("wants a password from user locked"), "{said}");
    assert!(said.contains("PGPASSWORD"), "{said}");
}

#[test]
fn the_password_may_come_from_the_environment() {
    let memory = Memory::new();
    let database = &memory.place.database;
    memory
        .place
        .attack(
            "GRANT USAGE ON SCHEMA engraft_memory TO locked; \
         GRANT SELECT ON ALL TABLES IN SCHEMA engraft_memory TO locked",
        )
        .unwrap();
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program)
        .args([
            "--exact",
            "doors::it_is_opened_with_what_the_environment_says",
            "--nocapture",
        ])
        .env("ENGRAFT_TEST_OPEN", server::address_of("locked", database))
        .env("PGPASSWORD", "right")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("it has 0 events"), "{said}");
}

/// Not a test by itself: the test above runs it in a program of its own.
#[test]
fn it_is_opened_with_what_the_environment_says() {
    if let Ok(address) = std::env::var("ENGRAFT_TEST_OPEN") {
        let store = PostgresStore::open(&address).unwrap();
        println!("it has {} events", store.seq().unwrap());
    }
}

#[test]
fn a_server_or_a_database_that_is_not_there_is_named() {
    let said = refusal("postgres://anna:hunter2@127.0.0.1:1/team");
    assert!(
        said.contains("127.0.0.1:1, database team: no server answers there"),
        "{said}"
    );
    let said = refusal("postgres://anna:hunter2@no.such.host.invalid/team");
    assert!(said.contains("no.such.host.invalid:5432"), "{said}");
    let said = refusal(&server::address("nowhere"));
    assert!(said.contains("there is no such database"), "{said}");
    assert!(said.contains("CREATE DATABASE \"nowhere\""), "{said}");
}

#[test]
fn a_server_without_pgvector_is_told_what_to_do() {
    let place = Place::new();
    let database = &place.database;
    server::administer(
        "postgres",
        &format!("GRANT CREATE ON DATABASE {database} TO locked"),
    );
    let said = refusal(&server::address_of("locked:right", database));
    assert!(
        said.contains("run CREATE EXTENSION vector in it as a superuser"),
        "{said}"
    );

    let hide = format!("ALTER DATABASE {database} SET extension_control_path = '/nowhere'");
    server::administer("postgres", &hide);
    let said = refusal(&place.address());
    assert!(said.contains("the server has no pgvector"), "{said}");
    assert!(said.contains("install it"), "{said}");

    // What was begun is gone, and with pgvector the memory is made, by whoever may make it.
    server::administer(
        "postgres",
        &format!("ALTER DATABASE {database} RESET extension_control_path"),
    );
    server::administer(
        database,
        "CREATE SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO locked; \
         CREATE EXTENSION vector SCHEMA elsewhere",
    );
    let mut store = PostgresStore::open(&server::address_of("locked:right", database)).unwrap();
    let id = store
        .apply("test", vec![Change::Add(insight("a"))])
        .unwrap()[0]
        .id
        .clone();
    store
        .keep_vectors("m", &[(id, "a".to_owned(), vec![1.5])])
        .unwrap();
    assert_eq!(store.vectors("m").unwrap().known[0].1, [1.5]);
}

#[test]
fn a_database_that_cannot_hold_every_letter_is_refused() {
    let place = Place::new();
    let make =
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    server::administer("postgres", make);
    let said = refusal(&server::address("latin"));
    assert!(
        said.contains("LATIN1") && said.contains("ENCODING 'UTF8'"),
        "{said}"
    );
    drop(place);
}

#[test]
fn a_user_who_may_only_read_reads_and_is_told_so_when_writing() {
    let mut memory = Memory::new();
    let id = memory.add("a");
    memory
        .place
        .attack(
            "GRANT USAGE ON SCHEMA engraft_memory TO locked; \
         GRANT SELECT ON ALL TABLES IN SCHEMA engraft_memory TO locked",
        )
        .unwrap();
    let address = server::address_of("locked:right", &memory.place.database);
    let mut store = PostgresStore::open(&address).unwrap();
    assert_eq!(store.get(&id).unwrap().unwrap().content.text, "a");
    let said = store
        .apply("test", vec![Change::Add(insight("b"))])
        .unwrap_err()
        .to_string();
    assert!(said.contains("user locked may not do this"), "{said}");
    assert!(!said.contains("right"), "{said}");
    assert_eq!(memory.store.seq().unwrap(), 1);
}

#[test]
fn a_store_may_be_dropped_where_nothing_may_wait() {
    let memory = Memory::new();
    let store = memory.place.open();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async move { drop(store) });
    assert_eq!(memory.store.seq().unwrap(), 0);
}

#[test]
fn only_the_owner_of_the_tables_purges_and_nobody_else_does_half_of_it() {
    let mut memory = Memory::new();
    let id = memory.add("a");
    memory
        .place
        .attack(
            "GRANT USAGE ON SCHEMA engraft_memory TO locked; \
             GRANT ALL ON ALL TABLES IN SCHEMA engraft_memory TO locked",
        )
        .unwrap();
    let address = server::address_of("locked:right", &memory.place.database);
    let mut store = PostgresStore::open(&address).unwrap();
    let said = store.purge(&id).unwrap_err().to_string();
    assert!(said.contains("user locked may not do this"), "{said}");
    assert_eq!(memory.item(&id).content.text, "a");
    store
        .apply("test", vec![Change::Add(insight("b"))])
        .unwrap();
    memory.holds();
}
