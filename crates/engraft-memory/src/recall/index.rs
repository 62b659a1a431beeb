//! The current items of a store, by words and by meaning.

use std::collections::{BTreeSet, HashMap};

use crate::{
    Event, Filter, Id, Item, MemoryError, Operation, State, Store,
    recall::Embedder,
    retrieval::{FieldQuery, Fields, Group, Okapi, VectorIndex, fusion::cosine, tokens},
};

/// The one field of items.
const TEXT: &str = "text";
/// Events that are read at once.
const EVENTS: usize = 1000;
/// Texts that are embedded at once.
const TEXTS: usize = 256;

pub(super) struct Index {
    /// The last event that is in here.
    seq: u64,
    /// Items without their words and data, to be filtered by; `None` for those that are gone.
    known: Vec<Option<Item>>,
    /// The place of each among them, for good.
    places: HashMap<Id, u32>,
    /// Places of pinned items, in the order in which they were first seen.
    pinned: BTreeSet<u32>,
    words: Fields<u32>,
    vectors: Option<VectorIndex<u32>>,
}

impl Index {
    pub fn of(store: &mut dyn Store, embedder: Option<&dyn Embedder>) -> Result<Self, MemoryError> {
        let mut index = Self {
            seq: store.seq()?,
            known: Vec::new(),
            places: HashMap::new(),
            pinned: BTreeSet::new(),
            words: Fields::new(&[TEXT], Okapi::default()),
            vectors: None,
        };
        for item in store.items(&Filter::default())? {
            index.put_words(item)?;
        }
        if let Some(embedder) = embedder {
            let kept = store.vectors(embedder.name())?;
            for (id, vector) in kept.known {
                index.put_vector(&id, &vector)?;
            }
            index.embed(store, embedder, kept.missing)?;
        }
        Ok(index)
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Takes in what happened in the store since.
    pub fn follow(
        &mut self,
        store: &mut dyn Store,
        embedder: Option<&dyn Embedder>,
    ) -> Result<(), MemoryError> {
        let mut changed: BTreeSet<Id> = BTreeSet::new();
        loop {
            let events = store.events(self.seq, EVENTS)?;
            let Some(last) = events.last() else {
                break;
            };
            self.seq = last.seq;
            events
                .iter()
                .for_each(|event| changed.extend(touched(event)));
        }
        let mut missing = Vec::new();
        for id in changed {
            match store.get(&id)?.filter(|item| item.state == State::Current) {
                Some(item) => {
                    missing.push((id, item.content.text.clone()));
                    self.put_words(item)?;
                }
                None => self.remove(&id),
            }
        }
        match embedder {
            Some(embedder) => self.embed(store, embedder, missing),
            None => Ok(()),
        }
    }

    /// The place of an item, a new one if it has none yet.
    fn place(&mut self, id: &Id) -> u32 {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        let place = self.known.len() as u32;
        self.known.push(None);
        self.places.insert(id.clone(), place);
        place
    }

    fn put_words(&mut self, mut item: Item) -> Result<(), MemoryError> {
        let text = std::mem::take(&mut item.content.text);
        item.content.data = serde_json::Value::Null;
        let (place, words) = (self.place(&item.id), tokens(&text));
        match item.pinned {
            true => self.pinned.insert(place),
            false => self.pinned.remove(&place),
        };
        self.known[place as usize] = Some(item);
        self.words
            .insert(place, Group::of(&text), &[(TEXT, &words)])
    }

    fn put_vector(&mut self, id: &Id, vector: &[f32]) -> Result<(), MemoryError> {
        let place = self.place(id);
        let index = self
            .vectors
            .get_or_insert_with(|| VectorIndex::new(vector.len()));
        // A text without any words has no direction, and is found by words alone.
        match vector.iter().all(|x| *x == 0.0) {
            true => Ok(()),
            false => index.insert(place, vector),
        }
    }

    fn remove(&mut self, id: &Id) {
        let Some(&place) = self.places.get(id) else {
            return;
        };
        self.known[place as usize] = None;
        self.pinned.remove(&place);
        self.words.remove(&place);
        if let Some(vectors) = &mut self.vectors {
            vectors.remove(&place);
        }
    }

    /// Embeds texts and keeps what came of it, in portions, so that work that is cut short is not lost.
    fn embed(
        &mut self,
        store: &mut dyn Store,
        embedder: &dyn Embedder,
        texts: Vec<(Id, String)>,
    ) -> Result<(), MemoryError> {
        for portion in texts.chunks(TEXTS) {
            let words: Vec<&str> = portion.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = embedder.embed(&words)?;
            let mut kept = Vec::new();
            for ((id, text), vector) in portion.iter().zip(vectors) {
                self.put_vector(id, &vector)?;
                kept.push((id.clone(), text.clone(), vector));
            }
            store.keep_vectors(embedder.name(), &kept)?;
        }
        Ok(())
    }

    /// Which places a filter admits, of those that are found: what is gone is not. A filter that asks for nothing is
    /// not held against items at all, as looking at them costs more than scoring them.
    fn admitted<'a>(&'a self, filter: &'a Filter) -> impl Fn(&u32) -> bool + Sync + 'a {
        let all = *filter == Filter::default();
        move |place| {
            let item = || self.known[*place as usize].as_ref();
            all || item().is_some_and(|item| filter.admits(item))
        }
    }

    /// Places with scores as names with scores.
    fn named(&self, scored: impl Iterator<Item = (u32, f64)>) -> Vec<(Id, f64)> {
        let name = |place: u32| Some(self.known[place as usize].as_ref()?.id.clone());
        scored
            .filter_map(|(place, score)| Some((name(place)?, score)))
            .collect()
    }

    pub fn pinned(&self, filter: &Filter) -> Vec<Id> {
        let known = |place: &u32| self.known[*place as usize].as_ref();
        let pinned = self.pinned.iter().filter_map(known);
        let pinned = pinned.filter(|item| filter.admits(item));
        pinned.map(|item| item.id.clone()).collect()
    }

    /// Items that share words with the text, by scores from 0 to 1.
    pub fn by_words(
        &self,
        text: &str,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<(Id, f64)>, MemoryError> {
        let query = FieldQuery {
            field: TEXT,
            tokens: tokens(text),
            weight: 1.0,
        };
        let wanted = self.admitted(filter);
        let hits = self.words.search_among(&[query], most, wanted)?;
        Ok(self.named(hits.into_iter().map(|hit| (hit.key, hit.score))))
    }

    /// Items that share words with the text, by BM25 scores as they are.
    pub fn by_bm25(
        &self,
        text: &str,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<(Id, f64)>, MemoryError> {
        let scores = self.words.field_scores(TEXT, &tokens(text))?.into_iter();
        let wanted = self.admitted(filter);
        let found = scores.filter(|(place, score)| *score > 0.0 && wanted(place));
        let mut found: Vec<(u32, f64)> = found.collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(most);
        Ok(self.named(found.into_iter()))
    }

    /// Items whose embeddings are near.
    pub fn by_meaning(
        &self,
        vector: &[f32],
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<(Id, f64)>, MemoryError> {
        let Some(vectors) = &self.vectors else {
            return Ok(Vec::new());
        };
        let wanted = self.admitted(filter);
        let near = vectors.nearest_among(vector, most, wanted)?.into_iter();
        Ok(self.named(near.map(|(place, score)| (place, f64::from(score)))))
    }

    /// The cosine of two items, 0 where one has no embedding.
    pub fn similarity(&self, a: &Id, b: &Id) -> f64 {
        let vector = |id| {
            let place = self.places.get(id)?;
            self.vectors.as_ref()?.get(place)
        };
        vector(a).zip(vector(b)).map_or(0.0, |(a, b)| cosine(a, b))
    }
}

/// The items that an event is about.
fn touched(event: &Event) -> Vec<Id> {
    match &event.operation {
        Operation::Add { id, .. }
        | Operation::Edit { id, .. }
        | Operation::Remove { id, .. }
        | Operation::Vote { id, .. }
        | Operation::Pin { id, .. } => vec![id.clone()],
        Operation::Merge { from, into } => from.iter().chain([into]).cloned().collect(),
        Operation::Supersede { old, new } => vec![old.clone(), new.clone()],
    }
}
