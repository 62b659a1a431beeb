//! The store behind the tools, with the index that finds its items.

use std::sync::Arc;

use engraft_memory::{
    Applied, Ask, Change, Embedder, Id, Item, MemoryError, Recall, Recalled, Store,
};

use super::Options;

pub(super) struct Memory {
    pub store: Box<dyn Store>,
    pub options: Options,
    embedder: Option<Arc<dyn Embedder>>,
    /// Read at the first question: a client waits for a server to start, and not every client asks.
    recall: Option<Recall>,
}

impl Memory {
    pub fn new(
        store: Box<dyn Store>,
        embedder: Option<Box<dyn Embedder>>,
        options: Options,
    ) -> Self {
        Self {
            store,
            options,
            embedder: embedder.map(Arc::from),
            recall: None,
        }
    }

    /// Does one change.
    pub fn apply(&mut self, change: Change) -> Result<Applied, MemoryError> {
        let mut applied = self.store.apply(&self.options.by, vec![change])?;
        applied.pop().ok_or_else(|| MemoryError::Place {
            place: "the memory".to_owned(),
            problem: "it did not say what became of a change; see whether it is reachable"
                .to_owned(),
        })
    }

    /// An item that has to be there.
    pub fn item(&self, id: &Id) -> Result<Item, MemoryError> {
        let item = self.store.get(id)?;
        item.ok_or_else(|| MemoryError::Unknown(id.to_string()))
    }

    pub fn ask(&mut self, ask: &Ask<'_>) -> Result<Recalled, MemoryError> {
        let store = self.store.as_mut();
        let mut recall = match self.recall.take() {
            Some(recall) => recall,
            None => {
                let embedder = self.embedder.clone().map(Shared);
                let embedder = embedder.map(|shared| Box::new(shared) as Box<dyn Embedder>);
                Recall::open(store, embedder)?
            }
        };
        // An index that failed is read anew at the next question.
        let recalled = recall.ask(store, ask)?;
        self.recall = Some(recall);
        Ok(recalled)
    }

    /// The index is read anew at the next question.
    pub fn forget_index(&mut self) {
        self.recall = None;
    }
}

/// An embedder that outlives an index.
struct Shared(Arc<dyn Embedder>);

impl Embedder for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MemoryError> {
        self.0.embed(texts)
    }
}
