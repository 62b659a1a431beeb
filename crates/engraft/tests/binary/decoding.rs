//! Conversations, scores, comparisons, and the files that decoding reads.

mod files;
mod scores;
mod talk;

use crate::support::{Gguf, Told, Workplace};
use serde_json::Value;

const CONFLICTS: &str = concat!(
    r#"{"question": "the cat", "context": "the dog sat.", "answer": ["dog", "sat"], "memory": "cat"}"#,
    "\n",
    r#"{"question": "the dog", "context": "the cat sat.", "answer": "cat", "memory": "dog", "lead": "the"}"#,
    "\n",
);

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.gguf", Gguf::sound().bytes());
    place.write("notes.txt", "the dog sat.\nthe cat sat on the mat.\n");
    place.write("conflicts.jsonl", CONFLICTS);
    place
}

/// Builds the graph of the notes into a file, the first of these words.
fn graph(place: &Workplace, words: &[&str]) -> Told {
    let build = [
        "graph",
        "build",
        "--model",
        "tiny.gguf",
        "--corpus",
        "notes.txt",
        "--out",
    ];
    place.engraft(&[&build, words].concat())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
