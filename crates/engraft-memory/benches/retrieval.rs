//! Search at the size of the performance goals: 100,000 documents of two fields of 60 words, queries of 12
//! words a field; 100,000 embeddings of 384 numbers, the best 10.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use engraft_memory::retrieval::{FieldQuery, Fields, Group, Okapi, VectorIndex};

const DOCUMENTS: usize = 100_000;
const WORDS: usize = 30_000;
const WIDTH: usize = 384;

/// Numbers that look random and are the same each time, in 0..1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A text whose words are as frequent as those of a language: the n-th with 1/n.
    fn text(&mut self, words: usize) -> Vec<String> {
        let scale = (WORDS as f64).ln();
        let words = (0..words).map(|_| format!("w{}", (self.next() * scale).exp() as usize));
        words.collect()
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..WIDTH).map(|_| self.next() as f32 - 0.5).collect()
    }
}

fn fields(criterion: &mut Criterion) {
    let mut noise = Noise(7);
    let mut fields = Fields::new(&["issue", "patch"], Okapi::default());
    for key in 0..DOCUMENTS {
        let (issue, patch) = (noise.text(60), noise.text(60));
        let group = Group::of(&key.to_string());
        let texts = [("issue", &issue[..]), ("patch", &patch[..])];
        fields.insert(key, group, &texts).expect("known fields");
    }
    criterion.bench_function("fields, 12 words each", |bencher| {
        bencher.iter(|| {
            let queries = [("issue", 0.7), ("patch", 0.3)].map(|(field, weight)| FieldQuery {
                field,
                tokens: noise.text(12),
                weight,
            });
            fields.search(&queries, 10).expect("known fields")
        });
    });
    let text = noise.text(60);
    criterion.bench_function("fields, a document in and out", |bencher| {
        bencher.iter(|| {
            let texts = [("issue", &text[..]), ("patch", &text[..])];
            let inserted = fields.insert(DOCUMENTS, Group::of(""), &texts);
            inserted.expect("known fields");
            fields.remove(&DOCUMENTS)
        });
    });
}

fn vectors(criterion: &mut Criterion) {
    let mut noise = Noise(7);
    let mut index = VectorIndex::new(WIDTH);
    for key in 0..DOCUMENTS {
        index
            .insert(key, &noise.vector())
            .expect("a vector of that width");
    }
    criterion.bench_function("vectors, best 10", |bencher| {
        bencher.iter(|| {
            index
                .nearest(&noise.vector(), 10)
                .expect("a vector of that width")
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = fields, vectors
}
criterion_main!(benches);
