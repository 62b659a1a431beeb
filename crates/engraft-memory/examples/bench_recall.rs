//! Our side of `bench/memory/run.py`: a store of many episodes, hybrid questions to it, and additions.
//!
//! `bench_recall FOLDER` reads `texts.jsonl` (one string a line), `vectors.f32` (`[texts, width]`), `queries.jsonl` and
//! `query_vectors.f32` from the folder, and answers lines on standard input: `ask N` with the milliseconds of
//! question N and the places of what it found, `add N` with the milliseconds of an addition.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, Write},
    path::Path,
    time::Instant,
};

use engraft_memory::{
    Ask, Change, Draft, Embedder, Id, Kind, MemoryError, Recall, SqliteStore, Store,
};
use serde_json::json;

/// Looks vectors up that the script computed, so that no encoder is timed.
struct Given(HashMap<String, Vec<f32>>);

impl Embedder for Given {
    fn name(&self) -> &str {
        "given"
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MemoryError> {
        let vector = |text: &&str| self.0.get(*text).cloned().unwrap_or_else(|| vec![1.0; 384]);
        Ok(texts.iter().map(vector).collect())
    }
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).ok_or("name the folder")?;
    let folder = Path::new(&folder);
    let texts = lines(&folder.join("texts.jsonl"))?;
    let queries = lines(&folder.join("queries.jsonl"))?;
    let vectors = numbers(&folder.join("vectors.f32"), texts.len())?;
    let asked = numbers(&folder.join("query_vectors.f32"), queries.len())?;
    let mut store = SqliteStore::open(folder.join("memory.db"))?;
    let mut places: HashMap<Id, usize> = HashMap::new();
    let started = Instant::now();
    for (portion, texts) in texts.chunks(1000).enumerate() {
        let add = |text: &String| Change::Add(Draft::new(Kind::Episode, text.as_str()));
        let applied = store.apply("bench", texts.iter().map(add).collect())?;
        let ids = applied.into_iter().enumerate();
        let kept: Vec<(Id, String, Vec<f32>)> = ids
            .map(|(at, applied)| {
                let place = portion * 1000 + at;
                places.insert(applied.id.clone(), place);
                (applied.id, texts[at].clone(), vectors[place].clone())
            })
            .collect();
        store.keep_vectors("given", &kept)?;
    }
    let filled = started.elapsed();
    let given = queries.iter().cloned().zip(asked).collect();
    let started = Instant::now();
    let mut recall = Recall::open(&mut store, Some(Box::new(Given(given))))?;
    let opened = started.elapsed();
    say(&json!({ "filled_s": filled.as_secs_f64(), "opened_s": opened.as_secs_f64() }))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (what, number) = line.split_once(' ').ok_or("write `ask N` or `add N`")?;
        let number: usize = number.parse()?;
        let started = Instant::now();
        if what == "ask" {
            let found = recall.ask(&mut store, &Ask::new(&queries[number]))?;
            let took = started.elapsed();
            let found: Vec<usize> = found
                .found
                .iter()
                .filter_map(|found| places.get(&found.item.id).copied())
                .collect();
            say(&json!({ "ms": took.as_secs_f64() * 1e3, "found": found }))?;
        } else {
            let text = format!("a new episode, number {number}");
            store.apply("bench", vec![Change::Add(Draft::new(Kind::Episode, text))])?;
            say(&json!({ "ms": started.elapsed().as_secs_f64() * 1e3 }))?;
        }
    }
    Ok(())
}

fn lines(path: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// Rows of numbers, so many of them.
fn numbers(path: &Path, rows: usize) -> Result<Vec<Vec<f32>>, Failure> {
    let bytes = fs::read(path)?;
    let numbers: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    let width = (numbers.len() / rows.max(1)).max(1);
    Ok(numbers.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

fn say(answer: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}
