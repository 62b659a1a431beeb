//! Servers with an embedder: what it adds, and what happens where it fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use engraft_memory::{Embedder, MemoryError};
use serde_json::json;

use crate::client::Client;

/// Knows animals from plants, and fails as often as it is told to.
struct Animals {
    failures: AtomicUsize,
    panics: bool,
}

impl Animals {
    fn failing(failures: usize, panics: bool) -> Self {
        Self {
            failures: AtomicUsize::new(failures),
            panics,
        }
    }
}

impl Embedder for Animals {
    fn name(&self) -> &str {
        "animals"
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MemoryError> {
        let one_less = |failures: usize| failures.checked_sub(1);
        let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
        if self.failures.fetch_update(set, get, one_less).is_ok() {
            assert!(!self.panics, "as told");
            return Err(MemoryError::Refused("the model is away".to_owned()));
        }
        let animal = |text: &str| ["cat", "kitten"].iter().any(|name| text.contains(name));
        let vector = |text: &&str| match animal(text) {
            true => vec![1.0, 0.0],
            false => vec![0.0, 1.0],
        };
        Ok(texts.iter().map(vector).collect())
    }
}

#[tokio::test]
async fn other_words_of_the_same_meaning_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let mut client = Client::with_embedder(&path, Animals::failing(0, false)).await;
    client.remember("The cat sleeps upstairs.").await;
    client.remember("Ferns need shade.").await;
    let found = client.recall(json!({"query": "kitten", "most": 1})).await;
    assert_eq!(found, ["The cat sleeps upstairs."]);
}

#[tokio::test]
async fn an_embedder_that_fails_or_breaks_off_costs_one_answer_and_not_the_server() {
    for (panics, said) in [(false, "the model is away"), (true, "broke off")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.db");
        let mut client = Client::with_embedder(&path, Animals::failing(1, panics)).await;
        client.remember("The cat sleeps upstairs.").await;
        let refusal = client.refusal("recall", json!({"query": "kitten"})).await;
        assert!(refusal.contains(said), "{refusal}");
        assert_eq!(client.recall(json!({"query": "kitten"})).await.len(), 1);
    }
}
