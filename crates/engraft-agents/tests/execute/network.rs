//! No network: neither the world's nor that of the machine itself.

use std::{
    io::Write,
    net::TcpListener,
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

use engraft_agents::{Executor, Limits, Unsandboxed};

use crate::place;

const CONNECT: &str = "
import socket, sys
client = socket.socket()
client.settimeout(30)
client.connect((sys.argv[1], int(sys.argv[2])))
print(client.recv(5))
";

#[test]
fn a_server_of_this_machine_is_out_of_reach() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for connection in server.incoming() {
            connection.unwrap().write_all(b"hello").unwrap();
        }
    });
    let command = ["python3", "-c", CONNECT, "127.0.0.1", &port];
    let outside = Unsandboxed::default().run(place.path(), &command).unwrap();
    assert_eq!(outside.stdout, "b'hello'\n", "the server answers");
    let inside = place.run(&command);
    assert_ne!(inside.code, 0);
    assert!(
        inside.stderr.contains("ConnectionRefused"),
        "{}",
        inside.stderr
    );
}

#[test]
fn the_world_is_out_of_reach_at_once() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let begun = Instant::now();
    let outcome = place.run(&["python3", "-c", CONNECT, "192.0.2.1", "80"]);
    assert!(outcome.stderr.contains("unreachable"), "{}", outcome.stderr);
    let named = place.run(&["python3", "-c", CONNECT, "example.org", "80"]);
    assert_ne!(named.code, 0);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_socket_in_the_file_system_is_out_of_reach() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let beside = tempfile::tempdir().unwrap();
    let path = beside.path().join("socket");
    let _server = UnixListener::bind(&path).unwrap();
    let script = format!(
        "import socket; socket.socket(socket.AF_UNIX).connect('{}')",
        path.display()
    );
    let outcome = place.python(&script);
    assert!(
        outcome.stderr.contains("FileNotFoundError"),
        "{}",
        outcome.stderr
    );
}
