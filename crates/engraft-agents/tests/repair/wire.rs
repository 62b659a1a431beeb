//! A server of ours that speaks raw bytes, as right or as wrong as a test wants.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use engraft_agents::chat::server::{Patience, Server};
use serde_json::{Value, json};

use crate::run::held;

/// What a server does with a request's body once it has read it.
type Reply = dyn Fn(usize, &Value, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// A server that answers whatever bytes it is told to, until the test ends.
pub struct Wire {
    pub url: String,
    /// When each request came, and its head.
    pub came: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Wire {
    pub fn start(
        reply: impl Fn(usize, &Value, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let came: Arc<Mutex<Vec<_>>> = Arc::default();
        let (log, reply): (_, Arc<Reply>) = (came.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, reply) = (log.clone(), reply.clone());
                thread::spawn(move || serve(stream, &log, &*reply));
            }
        });
        Self { url, came }
    }

    /// The same bytes for every request.
    pub fn says(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, _, stream| stream.write_all(&bytes))
    }

    pub fn requests(&self) -> usize {
        held(&self.came).len()
    }

    pub fn model(&self) -> Server {
        Server {
            url: self.url.clone(),
            model: "m".to_owned(),
            key: Some("secret-key".to_owned()),
            patience: Patience {
                tries: 3,
                first_wait: Duration::from_millis(10),
                longest_wait: Duration::from_millis(50),
                answer: Duration::from_secs(10),
            },
            stop: Arc::default(),
        }
    }
}

/// Reads one request and answers it.
fn serve(mut stream: TcpStream, log: &Mutex<Vec<(Instant, String)>>, reply: &Reply) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let number = {
        let mut log = log.lock().unwrap();
        log.push((Instant::now(), head));
        log.len() - 1
    };
    let body = serde_json::from_slice(&body).unwrap_or_default();
    // Whoever asked may be gone.
    let _ = reply(number, &body, &mut stream);
}

pub fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

pub fn content(text: &str) -> String {
    json!({"choices": [{"message": {"role": "assistant", "content": text}}]}).to_string()
}
