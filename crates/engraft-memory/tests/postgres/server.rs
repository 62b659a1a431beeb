//! The server of these tests: one for all of them, ended with them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use postgres::Config;

/// It ends when its input does, which is when this program ends.
struct Server {
    address: String,
    _program: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(start);

/// The address of a database, for the administrator.
pub fn address(database: &str) -> String {
    address_of("postgres", database)
}

/// The address of a database for a user, with or without a password (`user:password`).
pub fn address_of(user: &str, database: &str) -> String {
    format!("postgres://{user}@/{database}?host={}", folder())
}

/// The folder of the server's socket.
pub fn folder() -> &'static str {
    let (_, folder) = SERVER.address.split_once("?host=").unwrap();
    folder
}

/// Does something as the administrator.
pub fn administer(database: &str, statements: &str) {
    let config: Config = address(database).parse().unwrap();
    let mut client = config.connect(postgres::NoTls).unwrap();
    client.batch_execute(statements).unwrap();
}

fn start() -> Server {
    let chosen = std::env::var("ENGRAFT_TEST_PYTHON").ok();
    let python = chosen.as_deref().unwrap_or("python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/server.py");
    let program = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut program = match program {
        Ok(program) => program,
        Err(error) => not_run(
            chosen.is_some(),
            &format!("NOT RUN: {python} cannot be started ({error}); set ENGRAFT_TEST_PYTHON"),
        ),
    };
    let mut address = String::new();
    let mut said = BufReader::new(program.stdout.take().unwrap());
    said.read_line(&mut address).unwrap();
    if address.is_empty() {
        let mut why = String::new();
        let mut errors = program.stderr.take().unwrap();
        errors.read_to_string(&mut why).unwrap();
        not_run(chosen.is_some() || !why.starts_with("NOT RUN"), &why);
    }
    Server {
        address: address.trim_end().to_owned(),
        _program: program,
    }
}

/// Without a server no test of this program can say anything. That is no fault of the memory, unless a
/// server was promised: then it is a failure.
fn not_run(promised: bool, why: &str) -> ! {
    // Past the test harness, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "\n{}", why.trim_end());
    std::process::exit(i32::from(promised));
}
