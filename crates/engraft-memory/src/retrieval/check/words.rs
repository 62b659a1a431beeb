//! Words, BM25 and fields beside ExpeRepair's results.

use std::collections::BTreeMap;

use engraft_method::parity::{Case, Differences, ParityError, read};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::retrieval::{Bm25, FieldQuery, Fields, Group, Okapi, Scores, reduce_trace, tokens};

/// How far scores may be apart.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Pair<T> {
    input: String,
    output: T,
}

/// Compares what a function makes of each input under a key.
fn pairs<T: DeserializeOwned + PartialEq + std::fmt::Debug>(
    case: &Case,
    key: &str,
    function: impl Fn(&str) -> T,
) -> Result<(), ParityError> {
    let pairs: Vec<Pair<T>> = read(case.entry(key)?)?;
    let mut differences = Differences::exact();
    for (index, pair) in pairs.iter().enumerate() {
        differences.equal(
            format!("{key}[{index}]"),
            &function(&pair.input),
            &pair.output,
        );
    }
    differences.told()
}

pub(super) fn preprocess_text(case: &mut Case) -> Result<(), ParityError> {
    pairs(case, "preprocess_text", tokens)
}

pub(super) fn preprocess_traceback(case: &mut Case) -> Result<(), ParityError> {
    pairs(case, "preprocess_traceback", reduce_trace)
}

pub(super) fn bm25(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Query {
        query: String,
        scores: Vec<f64>,
    }
    #[derive(Deserialize)]
    struct Corpus {
        corpus: Vec<String>,
        k1: f64,
        b: f64,
        epsilon: f64,
        avgdl: f64,
        average_idf: f64,
        idf: BTreeMap<String, f64>,
        queries: Vec<Query>,
    }
    let corpora: BTreeMap<String, Corpus> = read(case.document()?)?;
    let mut differences = Differences::within(TOLERANCE);
    for (name, want) in &corpora {
        let mut index = Bm25::new(Okapi {
            k1: want.k1,
            b: want.b,
            epsilon: want.epsilon,
        });
        for (number, text) in (0..).zip(&want.corpus) {
            index.add(number, &tokens(text));
        }
        differences.near(format!("{name}.avgdl"), index.mean_length(), want.avgdl);
        differences.near(
            format!("{name}.average_idf"),
            index.mean_idf(),
            want.average_idf,
        );
        for (word, &idf) in &want.idf {
            let got = index.idf(word).unwrap_or(f64::NAN);
            differences.near(format!("{name}.idf.{word}"), got, idf);
        }
        let words = want.corpus.iter().flat_map(|text| tokens(text));
        let unlisted: Vec<String> = words.filter(|word| !want.idf.contains_key(word)).collect();
        differences.equal(format!("{name} words without idf"), &unlisted, &Vec::new());
        let mut scores = Scores::default();
        for (number, query) in want.queries.iter().enumerate() {
            index.scores(&tokens(&query.query), &mut scores);
            let documents = 0..want.corpus.len() as u32;
            let got: Vec<f64> = documents.map(|document| scores.get(document)).collect();
            let place = format!("{name}.queries[{number}].scores");
            differences.all_near(place, &got, &query.scores);
        }
    }
    differences.told()
}

pub(super) fn retrieve_ties(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Document {
        kb_ids: Vec<i64>,
        order: Vec<i64>,
        scores: Vec<f64>,
    }
    let refused = |error: crate::MemoryError| ParityError::Computation(error.to_string());
    let document: Document = read(case.document()?)?;
    let query: BTreeMap<String, Vec<String>> = read(case.json("query")?)?;
    let weights: serde_json::Map<String, Value> = read(case.json("weights")?)?;
    let top = case.number("top_k")? as usize;
    let names: Vec<&str> = weights.keys().map(String::as_str).collect();
    let texts: Vec<(&str, Vec<String>)> = names
        .iter()
        .map(|&name| Ok((name, tokens(&read::<String>(case.json(name)?)?))))
        .collect::<Result<_, ParityError>>()?;
    let texts: Vec<(&str, &[String])> = texts
        .iter()
        .map(|(name, text)| (*name, &text[..]))
        .collect();
    let mut fields = Fields::new(&names, Okapi::default());
    for &id in &document.kb_ids {
        fields.insert(id, Group::of(""), &texts).map_err(refused)?;
    }
    let queries: Vec<FieldQuery<'_>> = names
        .iter()
        .map(|&field| {
            Ok(FieldQuery {
                field,
                tokens: query.get(field).cloned().unwrap_or_default(),
                weight: read(&weights[field])?,
            })
        })
        .collect::<Result<_, ParityError>>()?;
    let hits = fields.search(&queries, top).map_err(refused)?;
    let (order, scores): (Vec<i64>, Vec<f64>) =
        hits.into_iter().map(|hit| (hit.key, hit.score)).unzip();
    let mut differences = Differences::within(TOLERANCE);
    differences.equal("order", &order, &document.order);
    differences.all_near("scores", &scores, &document.scores);
    differences.told()
}
