//! A client that writes the lines of the protocol itself, and a server for it to talk to.

use std::path::Path;

use engraft_memory::{Embedder, SqliteStore};
use engraft_serve::mcp::{Options, ServeError, serve_memory_on};
use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
        duplex, split,
    },
    task::JoinHandle,
};

pub struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    server: JoinHandle<Result<(), ServeError>>,
    id: u64,
}

/// A stream to a new server of the memory in this file.
pub fn server(
    memory: &Path,
    embedder: Option<Box<dyn Embedder>>,
    options: Options,
) -> (DuplexStream, JoinHandle<Result<(), ServeError>>) {
    let (ours, theirs) = duplex(64 << 10);
    let (reader, writer) = split(theirs);
    let store = Box::new(SqliteStore::open(memory).unwrap());
    let server = tokio::spawn(serve_memory_on(reader, writer, store, embedder, options));
    (ours, server)
}

impl Client {
    /// A client that has not said anything yet.
    pub fn silent(memory: &Path, options: Options) -> Self {
        Self::over(server(memory, None, options))
    }

    fn over((stream, server): (DuplexStream, JoinHandle<Result<(), ServeError>>)) -> Self {
        let (reader, writer) = split(stream);
        Self {
            lines: BufReader::new(reader).lines(),
            writer,
            server,
            id: 0,
        }
    }

    /// A client that has begun.
    pub async fn new(memory: &Path) -> Self {
        let mut client = Self::silent(memory, Options::default());
        client.begin().await;
        client
    }

    /// A client that has begun, of a server that finds by meaning, too.
    pub async fn with_embedder(memory: &Path, embedder: impl Embedder + 'static) -> Self {
        let server = server(memory, Some(Box::new(embedder)), Options::default());
        let mut client = Self::over(server);
        client.begin().await;
        client
    }

    pub async fn begin(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = self.request("initialize", params).await;
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        answer
    }

    pub async fn send(&mut self, line: &str) {
        self.writer.write_all(line.as_bytes()).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    /// The next line of the server.
    pub async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Asks without waiting and gives the id of the request.
    pub async fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.id += 1;
        let id = self.id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request.to_string()).await;
        id
    }

    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// The result of a tool.
    pub async fn result(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.request("tools/call", params).await;
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// What a tool says to programs, where all is well.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.result(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["structuredContent"].clone()
    }

    /// What a tool says to models, where all is well.
    pub async fn text(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// What a tool says when it refuses.
    pub async fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// The id of something new.
    pub async fn remember(&mut self, text: &str) -> String {
        let answer = self.call("remember", json!({"text": text})).await;
        assert_eq!(answer["new"], true);
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The texts that a question finds.
    pub async fn recall(&mut self, arguments: Value) -> Vec<String> {
        let answer = self.call("recall", arguments).await;
        let items = answer["items"].as_array().unwrap().iter();
        items
            .map(|item| item["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Closes the client's side and gives how the server ended.
    pub async fn close(mut self) -> Result<(), ServeError> {
        self.writer.shutdown().await.unwrap();
        self.server.await.unwrap()
    }
}
