//! Fusion beside Graphiti's results.

use engraft_method::parity::{Case, Differences, ParityError, read};
use serde::Deserialize;

use crate::retrieval::fusion::{self, Rrf, mmr_one_pass};

/// How far scores may be apart.
const TOLERANCE: f64 = 1e-12;

pub(super) fn rrf(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Entry {
        lists: Vec<Vec<String>>,
        rank_const: Option<f64>,
        min_score: Option<f64>,
        order: Vec<String>,
        scores: Vec<f64>,
    }
    let entries: Vec<Entry> = read(case.document()?)?;
    let mut differences = Differences::within(TOLERANCE);
    for (index, entry) in entries.iter().enumerate() {
        let default = Rrf::graphiti();
        let settings = Rrf {
            constant: entry.rank_const.unwrap_or(default.constant),
            min_score: entry.min_score.unwrap_or(default.min_score),
            ..default
        };
        let fused = fusion::rrf(&entry.lists, &settings);
        let (order, scores): (Vec<String>, Vec<f64>) = fused.into_iter().unzip();
        differences.equal(format!("[{index}].order"), &order, &entry.order);
        differences.all_near(format!("[{index}].scores"), &scores, &entry.scores);
    }
    differences.told()
}

/// Graphiti's rule; candidates are brought to length 1, the query is not.
pub(super) fn mmr(case: &mut Case) -> Result<(), ParityError> {
    let (lambda, least) = (case.number("mmr_lambda")?, case.number("min_score")?);
    let query = &case.input("query")?.values;
    let candidates = case.input("candidates")?;
    let [_, width] = candidates.rows();
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let unit = |row: &[f64]| -> Vec<f64> {
        let length = product(row, row).sqrt();
        let length = if length > 0.0 { length } else { 1.0 };
        row.iter().map(|x| x / length).collect()
    };
    let candidates: Vec<Vec<f64>> = candidates.values.chunks_exact(width).map(unit).collect();
    let relevance: Vec<f64> = candidates.iter().map(|row| product(query, row)).collect();
    let similarity = |i: usize, j: usize| product(&candidates[i], &candidates[j]);
    let kept = mmr_one_pass(&relevance, similarity, lambda, least);
    case.output("order", kept.iter().map(|&(index, _)| index as f64));
    case.output("scores", kept.iter().map(|&(_, score)| score));
    Ok(())
}
