//! Word-to-word statistics of a few texts, as one model sees them: which token follows which tokens,
//! and how much the model expected it to.
//!
//! The texts are independent of each other, so graphs of parts can be built once and merged. A graph
//! belongs to one model and one tokenizer and carries the hashes of both.

use std::{collections::BTreeMap, path::Path};

use engraft_files::atomic::{WriteError, write_file};
use engraft_runtime::{Ask, Blind, CausalLm, Feed, RuntimeError};
use serde::{Deserialize, Serialize};

use crate::logits::Real;

/// How graph files name themselves.
const FORMAT: &str = "engraft graph 1";
/// Tokens that go through the model together, so that the logits of a long text never are in memory
/// all at once.
const PIECE: usize = 64;

/// Why a graph could not be read, written, merged or used.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{path}: {problem}")]
    File { path: String, problem: String },
    #[error("the {what} of the graph is {found}, not {wanted}; build the graph for this model")]
    Foreign {
        what: &'static str,
        found: String,
        wanted: String,
    },
    #[error("the graph has token {token} and the model {vocab} tokens; build it for this model")]
    Vocabulary { token: u32, vocab: usize },
    #[error("a graph with {one} cannot take in one with {other}; build both alike")]
    Unlike { one: String, other: String },
}

/// Who read the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    pub tokenizer_hash: String,
    pub model_hash: String,
}

/// What an edge was given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Edge {
    /// Logits, added up.
    pub sum: f64,
    /// How many they were.
    pub count: u32,
}

/// From the last tokens of a text to the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    reader: Reader,
    key: usize,
    clip: bool,
    edges: BTreeMap<Vec<u32>, BTreeMap<u32, Edge>>,
}

/// A graph as its file has it; an edge is key, next token, sum and count.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    tokenizer_hash: String,
    model_hash: String,
    key: usize,
    clip: bool,
    edges: Vec<(Vec<u32>, u32, f64, u32)>,
}

impl Graph {
    /// Without edges. A key is the last `key` tokens, at least one; with `clip` a negative logit
    /// counts as 0 when it is added to its edge.
    pub fn new(reader: Reader, key: usize, clip: bool) -> Self {
        Self {
            reader,
            key: key.max(1),
            clip,
            edges: BTreeMap::new(),
        }
    }

    /// All edges in order: key, next token, what it was given.
    pub fn edges(&self) -> impl Iterator<Item = (&[u32], u32, Edge)> {
        let keys = self.edges.iter();
        keys.flat_map(|(key, next)| next.iter().map(|(&to, &edge)| (key.as_slice(), to, edge)))
    }

    /// The end of a text that is a key, if the text is that long.
    pub fn key<'a>(&self, text: &'a [u32]) -> Option<&'a [u32]> {
        Some(&text[text.len().checked_sub(self.key)?..])
    }

    /// The edges from the end of a text to what may come next.
    pub fn after(&self, text: &[u32]) -> impl Iterator<Item = (u32, Edge)> {
        let next = self.key(text).and_then(|key| self.edges.get(key));
        next.into_iter().flatten().map(|(&to, &edge)| (to, edge))
    }

    /// Adds a text, with the logits `[tokens, vocab]` after every token of it.
    pub fn add<F: Real>(&mut self, text: &[u32], logits: &[F], vocab: usize) {
        for (at, row) in logits.chunks_exact(vocab).enumerate() {
            self.add_step(text, at, row);
        }
    }

    /// Adds a text that the model reads now.
    ///
    /// # Errors
    /// A text that is too long for the model or of another vocabulary; the graph is as before then.
    pub fn read_text<M: CausalLm>(&mut self, model: &M, text: &[u32]) -> Result<(), RuntimeError> {
        let vocab = model.shape().vocab;
        let mut read = Self::new(self.reader.clone(), self.key, self.clip);
        let mut stream = model.stream();
        for (piece, tokens) in text.chunks(PIECE).enumerate() {
            let feed = Feed {
                stream: &mut stream,
                tokens,
                ask: Ask::All,
            };
            let logits = model.forward(&mut [feed], &mut Blind)?;
            for (row, logits) in logits.chunks_exact(vocab).enumerate() {
                read.add_step(text, piece * PIECE + row, logits);
            }
        }
        self.take_in(&read);
        Ok(())
    }

    /// Adds the step from the token at `at` to the next, if there is one and enough stands before.
    fn add_step<F: Real>(&mut self, text: &[u32], at: usize, logits: &[F]) {
        let (Some(&next), Some(key)) = (text.get(at + 1), self.key(&text[..=at])) else {
            return;
        };
        let Some(logit) = logits.get(next as usize).map(|logit| logit.double()) else {
            return;
        };
        let edge = self.edges.entry(key.to_vec()).or_default().entry(next);
        let edge = edge.or_default();
        edge.sum += match self.clip {
            true => logit.max(0.0),
            false => logit,
        };
        edge.count += 1;
    }

    /// Adds all edges of a graph of other texts.
    ///
    /// # Errors
    /// One of another model, or built in another way.
    pub fn merge(&mut self, other: &Self) -> Result<(), GraphError> {
        other.is_of(&self.reader)?;
        let built = |graph: &Self| format!("keys of {}, clip {}", graph.key, graph.clip);
        if (self.key, self.clip) != (other.key, other.clip) {
            return Err(GraphError::Unlike {
                one: built(self),
                other: built(other),
            });
        }
        self.take_in(other);
        Ok(())
    }

    fn take_in(&mut self, other: &Self) {
        for (key, next, more) in other.edges() {
            let edge = self.edges.entry(key.to_vec()).or_default().entry(next);
            let edge = edge.or_default();
            edge.sum += more.sum;
            edge.count += more.count;
        }
    }

    /// Whether this model and tokenizer made it; what differs if not.
    pub fn is_of(&self, reader: &Reader) -> Result<(), GraphError> {
        let Reader {
            tokenizer_hash,
            model_hash,
        } = &self.reader;
        let pairs = [
            ("tokenizer", tokenizer_hash, &reader.tokenizer_hash),
            ("model", model_hash, &reader.model_hash),
        ];
        match pairs.into_iter().find(|(_, found, wanted)| found != wanted) {
            None => Ok(()),
            Some((what, found, wanted)) => Err(GraphError::Foreign {
                what,
                found: found.clone(),
                wanted: wanted.clone(),
            }),
        }
    }

    /// Whether every edge leads to a token of a vocabulary of this size.
    pub fn fits(&self, vocab: usize) -> Result<(), GraphError> {
        let beyond = |next: &u32| *next as usize >= vocab;
        match self.edges().map(|(_, next, _)| next).find(beyond) {
            None => Ok(()),
            Some(token) => Err(GraphError::Vocabulary { token, vocab }),
        }
    }

    /// As a file holds it.
    pub fn to_json(&self) -> String {
        let edges = self.edges();
        let stored = Stored {
            format: FORMAT.to_owned(),
            tokenizer_hash: self.reader.tokenizer_hash.clone(),
            model_hash: self.reader.model_hash.clone(),
            key: self.key,
            clip: self.clip,
            edges: edges
                .map(|(key, next, edge)| (key.to_vec(), next, edge.sum, edge.count))
                .collect(),
        };
        serde_json::to_string(&stored).expect("names and numbers have a JSON form")
    }

    /// Reads a graph from what a file holds; what is wrong with it if it is none.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let stored: Stored = serde_json::from_str(text)
            .map_err(|error| format!("is no graph ({error}); build it again"))?;
        if stored.format != FORMAT {
            let format = stored.format;
            return Err(format!(
                "is a `{format}`, not an `{FORMAT}`; build it again"
            ));
        }
        let reader = Reader {
            tokenizer_hash: stored.tokenizer_hash,
            model_hash: stored.model_hash,
        };
        let mut graph = Self::new(reader, stored.key, stored.clip);
        for (key, next, sum, count) in stored.edges {
            if key.len() != stored.key || count == 0 || !sum.is_finite() {
                return Err(format!(
                    "has a damaged edge to token {next}: a key of {} tokens, sum {sum}, count {count}",
                    key.len()
                ));
            }
            let next = graph.edges.entry(key).or_default().entry(next);
            *next.or_default() = Edge { sum, count };
        }
        Ok(graph)
    }

    /// Reads a graph's file.
    pub fn read(path: &Path) -> Result<Self, GraphError> {
        let fail = |problem| GraphError::File {
            path: path.display().to_string(),
            problem,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| fail(format!("cannot be read: {error}")))?;
        Self::from_json(&text).map_err(fail)
    }

    /// Writes a graph's file.
    pub fn write(&self, path: &Path) -> Result<(), GraphError> {
        Ok(write_file(path, self.to_json().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(model: &str) -> Reader {
        Reader {
            tokenizer_hash: "t".to_owned(),
            model_hash: model.to_owned(),
        }
    }

    /// Logits of a vocabulary of 4 that depend on place and token.
    fn logits(rows: usize) -> Vec<f64> {
        let row = |at: usize| (0..4).map(move |token| at as f64 - token as f64);
        (0..rows).flat_map(row).collect()
    }

    #[test]
    fn graph_keys_of_two_tokens_start_at_the_second_token_and_end_before_the_last() {
        let mut graph = Graph::new(reader("m"), 2, true);
        let text = [1, 2, 3, 1, 2, 3];
        graph.add(&text, &logits(6), 4);
        let edges: Vec<_> = graph.edges().map(|(k, n, e)| (k.to_vec(), n, e)).collect();
        let edge = |sum, count| Edge { sum, count };
        assert_eq!(
            edges,
            [
                // Logits 1 - 3, clipped, and 4 - 3.
                (vec![1, 2], 3, edge(1.0, 2)),
                (vec![2, 3], 1, edge(1.0, 1)),
                (vec![3, 1], 2, edge(1.0, 1)),
            ]
        );
        assert_eq!(graph.after(&[0, 2, 3]).count(), 1);
        assert_eq!(graph.after(&[3]).count(), 0);
        assert_eq!(graph.after(&[]).count(), 0);
    }

    #[test]
    fn graph_merging_is_reading_both() {
        let texts = [[1, 2, 3, 0], [1, 2, 1, 2]];
        let mut both = Graph::new(reader("m"), 1, false);
        let mut merged = both.clone();
        for text in &texts {
            both.add(text, &logits(4), 4);
            let mut one = Graph::new(reader("m"), 1, false);
            one.add(text, &logits(4), 4);
            merged.merge(&one).unwrap();
        }
        assert_eq!(merged, both);
        let foreign = Graph::new(reader("other"), 1, false);
        let said = merged.merge(&foreign).unwrap_err().to_string();
        assert!(said.contains("model") && said.contains("other"), "{said}");
        let longer = Graph::new(reader("m"), 2, false);
        let said = merged.merge(&longer).unwrap_err().to_string();
        assert!(said.contains("keys of 2"), "{said}");
    }

    #[test]
    fn graph_files_come_back_as_they_were_and_damaged_ones_say_so() {
        let mut graph = Graph::new(reader("m"), 2, true);
        graph.add(&[1, 2, 3, 1, 2, 0], &logits(6), 4);
        let json = graph.to_json();
        assert_eq!(Graph::from_json(&json).unwrap(), graph);
        let damaged = json.replace("[1,2],", "[1],");
        assert!(Graph::from_json(&damaged).unwrap_err().contains("damaged"));
        assert!(
            Graph::from_json(&json[..30])
                .unwrap_err()
                .contains("is no graph")
        );
        let newer = json.replace(FORMAT, "engraft graph 9");
        assert!(Graph::from_json(&newer).unwrap_err().contains("graph 9"));
        assert!(graph.fits(3).unwrap_err().to_string().contains("token 3"));
        graph.fits(4).unwrap();
    }
}
