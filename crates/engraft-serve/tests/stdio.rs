//! The server as a program of its own, over real pipes: nothing but the protocol on its output, and an
//! end as soon as its input ends.
//!
//! This program is both: started by the test runner it is the client, started by itself the server.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use engraft_memory::SqliteStore;
use engraft_serve::mcp::{Options, serve_memory};
use serde_json::{Value, json};

/// Names the memory, where this program is to be the server.
const MEMORY: &str = "ENGRAFT_TEST_MEMORY";

fn main() {
    match std::env::var_os(MEMORY) {
        Some(memory) => {
            let store = Box::new(SqliteStore::open(memory).unwrap());
            serve_memory(store, None, Options::default()).unwrap();
        }
        None => a_program_serves_until_its_input_ends(),
    }
}

fn a_program_serves_until_its_input_ends() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("memory.db");
    let remember = call(2, "remember", json!({"text": "The key is under the mat."}));
    let recall = call(3, "recall", json!({"query": "key"}));

    let answers = answers(&serve(&memory, &[&remember, "not json", &recall]));
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["jsonrpc"] == "2.0"));
    let refused = answers
        .iter()
        .find(|answer| answer.get("id").is_none())
        .unwrap();
    assert_eq!(refused["error"]["code"], -32700);
    let found = answers.iter().find(|answer| answer["id"] == 3).unwrap();
    let items = &found["result"]["structuredContent"]["items"];
    assert_eq!(items[0]["text"], "The key is under the mat.");

    // The next program finds it, too.
    let again = self::answers(&serve(&memory, &[&recall]));
    let found = again.iter().find(|answer| answer["id"] == 3).unwrap();
    assert_eq!(&found["result"]["structuredContent"]["items"], items);
}

/// Starts a server, says all of it at once, and waits for its end.
fn serve(memory: &Path, lines: &[&str]) -> Output {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env(MEMORY, memory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    ];
    let mut input = server.stdin.take().unwrap();
    for line in begin.iter().chain(lines) {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    server.wait_with_output().unwrap()
}

fn answers(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn call(id: u64, tool: &str, arguments: Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}
