//! Priming — how much a newly learned word shows up where it does not belong.
//!
//! # What it does
//! Compares the probability of each taught answer after prompts that have nothing to do with the
//! fact, before and after teaching, and predicts it from how surprising the answer was before.
//!
//! # When to use it, when not
//! After every `teach` on facts; the ledger's spill is its absolute change. The score is a ratio, so
//! words that were almost impossible before have huge scores: read it beside the absolute change. It
//! cannot tell hallucination from good generalisation.
//!
//! # How
//! For keyword k and unrelated prompts j: `S_prime = mean_j P_after(k | j) / P_before(k | j)`, a
//! keyword of several tokens by the product of their probabilities, all from log-probabilities.
//! Reported as log10, with the geometric mean, the (lower) median and the mean change of P. The
//! predictor is `P_before(k | its own context)`; below 1e-3 an answer is surprising. The ledger's `report`
//! holds it for every fact, and its rank correlation with the score. `stepping_stones`
//! on a teach step leads up to surprising answers with the facts' own `hints`.
//!
//! # Where paper and code differ and which we follow
//! No code and no data were published. Geometric mean, median, absolute change and the count of
//! prompts at which k becomes the favourite are ours, since one prompt rules a mean of ratios.
//!
//! # Evidence
//! Parity with the formulas in double precision: `parity/outlandish`, kinds `priming_score` and
//! `predictor_correlation`. On facts taught to SmolLM2: `docs/evidence.md`.
//!
//! # Reference
//! Sun et al. How new data permeates LLM knowledge and how to dilute it. ICLR 2025,
//! arXiv 2504.09522.

use engraft_method::{
    Method,
    parity::{Case, Check, ParityError},
};

/// The registry entry.
pub const METHOD: Method = Method {
    name: "priming",
    verb: "probe",
    source: include_str!("priming.rs"),
    needs: &[],
    fields: Vec::new,
    checks: &[
        Check {
            slug: "outlandish",
            kind: "priming_score",
            run: score_parity,
        },
        Check {
            slug: "outlandish",
            kind: "predictor_correlation",
            run: correlation_parity,
        },
    ],
};

/// An answer is surprising below this probability after its own context.
pub const SURPRISING: f64 = 1e-3;

/// What learning did to one keyword at prompts it has nothing to do with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Priming {
    /// Mean ratio of the probabilities after and before; infinite where it is beyond `f64`.
    pub score: f64,
    /// Its decimal logarithm, finite for all finite log-probabilities.
    pub score_log10: f64,
    pub geometric: f64,
    /// The smaller of the two middle ratios where there are two.
    pub median: f64,
    /// Mean change of the probability.
    pub change: f64,
}

impl Priming {
    /// From natural log-probabilities at the same prompts; `None` without prompts.
    pub fn new(before: &[f64], after: &[f64]) -> Option<Self> {
        let count = before.len().min(after.len());
        if count == 0 {
            return None;
        }
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count as f64;
        let mut logs: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log = most + mean(&mut logs.iter().map(|log| (log - most).exp())).ln();
        let pairs = || before.iter().zip(after);
        let priming = Self {
            score: log.exp(),
            score_log10: log / std::f64::consts::LN_10,
            geometric: mean(&mut logs.iter().copied()).exp(),
            change: mean(&mut pairs().map(|(b, a)| a.exp() - b.exp())),
            median: {
                logs.sort_by(f64::total_cmp);
                logs[(count - 1) / 2].exp()
            },
        };
        Some(priming)
    }
}

/// Linear correlation (Pearson); NaN where one side does not vary.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mx, my) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| f(x - mx, y - my)).sum()
    };
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

/// Rank correlation (Spearman); ties get average ranks.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x), &ranks(y))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as f64;
        let equal = values.iter().filter(|other| *other == value).count() as f64;
        below + (equal + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

fn score_parity(case: &mut Case) -> Result<(), ParityError> {
    let (prompts, length) = (case.number("prefixes")?, case.number("keyword_length")?);
    let keyword = case.input("keyword_tokens")?.i64();
    debug_assert_eq!(length as usize, keyword.len());
    let log_probs = |name: &str| -> Result<Vec<f64>, ParityError> {
        let logits = case.input(name)?;
        let vocab = logits.rows()[1];
        let one = |prompt: &[f64]| -> f64 {
            let rows = prompt.chunks_exact(vocab).zip(&keyword);
            rows.map(|(row, &token)| {
                let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|z| (z - most).exp()).sum();
                row[token as usize] - most - sum.ln()
            })
            .sum()
        };
        let prompts = logits.values.chunks_exact(vocab * keyword.len());
        Ok(prompts.map(one).collect())
    };
    let (before, after) = (log_probs("logits_before")?, log_probs("logits_after")?);
    if before.len() != prompts as usize {
        let problem = format!("{} prompts, {prompts} announced", before.len());
        return Err(ParityError::Computation(problem));
    }
    let found = Priming::new(&before, &after)
        .ok_or_else(|| ParityError::Computation("no prompts".to_owned()))?;
    let ratios: Vec<f64> = after
        .iter()
        .zip(&before)
        .map(|(a, b)| (a - b).exp())
        .collect();
    case.output("logp_before", before);
    case.output("logp_after", after);
    case.output("ratio", ratios);
    case.output("score", [found.score]);
    case.output("score_log10", [found.score_log10]);
    case.output("geometric", [found.geometric]);
    case.output("median", [found.median]);
    Ok(())
}

fn correlation_parity(case: &mut Case) -> Result<(), ParityError> {
    let before = case.input("log_p_before")?.values.clone();
    let score = case.input("log_score")?.values.clone();
    case.output("spearman", [spearman(&before, &score)]);
    case.output("pearson", [pearson(&before, &score)]);
    Ok(())
}
