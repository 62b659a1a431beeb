//! Ranking beside mem0's results.

use std::collections::HashMap;

use engraft_method::parity::{Case, Differences, ParityError, read};
use serde::Deserialize;
use serde_json::Value;

use crate::retrieval::mem0;

/// How far scores may be apart.
const TOLERANCE: f64 = 1e-12;

pub(super) fn bm25_parameters(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        terms: usize,
        midpoint: f64,
        steepness: f64,
    }
    let entries: Vec<Entry> = read(case.entry("bm25_parameters")?)?;
    let mut differences = Differences::within(TOLERANCE);
    for entry in entries {
        let got = mem0::bm25_parameters(entry.terms);
        let place = format!("{} terms", entry.terms);
        differences.near(format!("midpoint of {place}"), got.midpoint, entry.midpoint);
        differences.near(
            format!("steepness of {place}"),
            got.steepness,
            entry.steepness,
        );
    }
    differences.told()
}

pub(super) fn bm25_normalise(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        raw: f64,
        midpoint: f64,
        steepness: f64,
        value: f64,
    }
    let entries: Vec<Entry> = read(case.entry("normalised")?)?;
    let mut differences = Differences::within(TOLERANCE);
    for (index, entry) in entries.iter().enumerate() {
        let sigmoid = mem0::Sigmoid {
            midpoint: entry.midpoint,
            steepness: entry.steepness,
        };
        let got = mem0::normalise(entry.raw, sigmoid);
        differences.near(format!("[{index}]"), got, entry.value);
    }
    differences.told()
}

pub(super) fn rank(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Semantic {
        id: Value,
        score: Option<f64>,
        payload: Value,
    }
    #[derive(Deserialize)]
    struct Details {
        semantic_score: f64,
        bm25_score: f64,
        entity_boost: f64,
        raw_score: f64,
        max_possible_score: f64,
        final_score: f64,
        threshold: f64,
    }
    #[derive(Deserialize)]
    struct Result {
        id: String,
        score: f64,
        payload: Value,
        score_details: Details,
    }
    #[derive(Deserialize)]
    struct Entry {
        semantic: Vec<Semantic>,
        bm25: HashMap<String, f64>,
        entity: HashMap<String, f64>,
        threshold: f64,
        top_k: usize,
        result: Vec<Result>,
    }
    let entries: Vec<Entry> = read(case.entry("ranked")?)?;
    let mut differences = Differences::within(TOLERANCE);
    for (index, entry) in entries.iter().enumerate() {
        // Results without an id are skipped, numbers are ids too; a result without a score scores 0, which
        // most thresholds stop.
        let (semantic, payloads): (Vec<(String, f64)>, Vec<&Value>) = entry
            .semantic
            .iter()
            .filter(|result| !result.id.is_null())
            .map(|result| {
                let id = result.id.as_str().map(str::to_owned);
                let id = id.unwrap_or_else(|| result.id.to_string());
                ((id, result.score.unwrap_or(0.0)), &result.payload)
            })
            .unzip();
        let signals = mem0::Signals {
            semantic: &semantic,
            keyword: &entry.bm25,
            entity: &entry.entity,
        };
        let ranked = mem0::rank(signals, entry.threshold, entry.top_k);
        let place = format!("ranked[{index}]");
        let ids: Vec<&str> = ranked.iter().map(|got| got.id.as_str()).collect();
        let wanted: Vec<&str> = entry.result.iter().map(|want| want.id.as_str()).collect();
        differences.equal(format!("ids of {place}"), &ids, &wanted);
        for (got, want) in ranked.iter().zip(&entry.result) {
            let place = format!("{place} {}", want.id);
            let details = &want.score_details;
            differences.equal(
                format!("{place} payload"),
                payloads[got.index],
                &want.payload,
            );
            let numbers = [
                (got.score, want.score),
                (got.semantic, details.semantic_score),
                (got.keyword, details.bm25_score),
                (got.entity, details.entity_boost),
                (got.raw, details.raw_score),
                (got.possible, details.max_possible_score),
                (got.score, details.final_score),
                (entry.threshold, details.threshold),
            ];
            let (got, want): (Vec<f64>, Vec<f64>) = numbers.into_iter().unzip();
            differences.all_near(place, &got, &want);
        }
    }
    differences.told()
}

pub(super) fn entity_boost(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        similarity: f64,
        linked: usize,
        boost: f64,
    }
    let entries: Vec<Entry> = read(case.entry("entity_boost")?)?;
    let mut differences = Differences::within(TOLERANCE);
    for (index, entry) in entries.iter().enumerate() {
        let got = mem0::entity_boost(entry.similarity, entry.linked);
        differences.near(format!("[{index}]"), got, entry.boost);
    }
    differences.told()
}
