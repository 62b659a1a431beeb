//! GRAD — word-to-word statistics of a few texts vote on the next token.
//!
//! # What it does
//! The model reads a small corpus once; how much it expected each token after the ones before becomes
//! the weight of an edge. While it decodes, the edges from the last tokens add to the scores of the
//! tokens they lead to: no training and no longer prompt.
//!
//! # When to use it, when not
//! When the facts you want stand in texts whose wording the answer will meet: the gain comes from keys
//! that hold the entity ("Belgium is"). A paraphrase that meets no key gains nothing, and the plain
//! model answers; the sentence in the prompt survives it. Keys of one token do harm: frequent words have
//! edges to everything. With keys of two tokens set `alpha=1:gate=const`: measured on sentences about
//! capitals, all true ones that greedy gets wrong and 83 % of invented ones were said so, 9 % and none
//! at the defaults. Edges inside an answer may run in a circle; a ban of repeated n-grams stops that.
//!
//! # How
//! `g` are the weights of the edges from the last tokens, 0 where there is none;
//! `score = z + alpha · gate · g / max(g) · max(0, max(z))`. The gate is 1, the entropy of the model's
//! distribution as a part of the largest possible, or 1 less its highest probability. Without an edge,
//! or where no weight is above 0, the scores are those of the model. `graph` names a file of edges,
//! which says what model it was made with.
//!
//! # Where paper and code differ and which we follow
//! No code was published and the paper's text could not be read in full: graph and accumulation follow
//! a summary of it, scale, gate and keys of more than one token are ours. The paper's keys are one
//! token; with those the summary's construction failed in our experiment, so the default of a graph is
//! two. A logit that adds to an edge counts as 0 if it is negative; an edge with nothing else never
//! votes, and `engraft graph build` says how many there are. The sum of the logits also counts
//! how often an edge was seen; `mean` does not.
//!
//! # Evidence
//! Parity with the formulas in double precision: `parity/grad`, kind `graph_fuse`. What it
//! helps and what it hurts: `docs/evidence.md`.
//!
//! # Reference
//! Nguyen et al. GRAD: Graph-Retrieved Adaptive Decoding for Hallucination Mitigation. 2025, arXiv
//! 2511.03900.

mod check;

use std::path::Path;

use clap::{Args, ValueEnum};
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, Way,
    graph::{Edge, Graph},
    logits::{Real, argmax, log_softmax, max},
};

/// How much the edges count, by how sure the model is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Always fully.
    Const,
    /// As far as the entropy goes towards that of a uniform distribution.
    #[default]
    Entropy,
    /// By the probability that the most probable token does not have.
    OneMinusPmax,
}

/// What an edge seen several times weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The sum of its logits.
    #[default]
    Sum,
    /// Their mean.
    Mean,
}

/// Settings of `grad`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Grad {
    /// File of the graph.
    #[arg(long, default_value_t = Self::default().graph)]
    pub graph: String,
    /// Weight of the edges; 0 is the plain model.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    /// How much the edges count, by how sure the model is.
    #[arg(long, value_enum, default_value = "entropy")]
    pub gate: Gate,
    /// What an edge weighs that was seen several times.
    #[arg(long, value_enum, default_value = "sum")]
    pub weight: Weight,
}

impl Default for Grad {
    fn default() -> Self {
        Self {
            graph: String::new(),
            alpha: 0.3,
            gate: Gate::Entropy,
            weight: Weight::Sum,
        }
    }
}

impl Gate {
    /// From 0 to 1, from logits `[vocab]`.
    pub fn of<F: Real>(self, logits: &[F]) -> F {
        match self {
            Self::Const => F::one(),
            Self::Entropy => relative_entropy(logits),
            Self::OneMinusPmax => F::one() - max(&log_softmax(logits)).exp(),
        }
    }
}

/// `H(p) / ln V`; 0 where there is nothing to choose from.
fn relative_entropy<F: Real>(logits: &[F]) -> F {
    let log_probabilities = log_softmax(logits);
    let mut probabilities = log_probabilities.clone();
    F::exp_all(&mut probabilities);
    let terms = probabilities.iter().zip(&log_probabilities);
    let entropy: f64 = terms
        .filter(|(p, _)| **p > F::zero())
        .map(|(p, log)| -(*p * *log).double())
        .sum();
    match logits.len() {
        0 | 1 => F::zero(),
        vocab => F::of(entropy / (vocab as f64).ln()),
    }
}

impl Weight {
    fn of(self, edge: Edge) -> f64 {
        match self {
            Self::Sum => edge.sum,
            Self::Mean => edge.sum / f64::from(edge.count),
        }
    }
}

/// The edges from the last tokens of `text` with their weights, the largest of which is 1. Nothing
/// where no weight is above 0.
pub fn votes<F: Real>(graph: &Graph, text: &[u32], weight: Weight) -> Vec<(u32, F)> {
    let edges: Vec<(u32, f64)> = graph
        .after(text)
        .map(|(next, edge)| (next, weight.of(edge)))
        .collect();
    let largest = edges.iter().map(|edge| edge.1).fold(0.0, f64::max);
    let votes = edges.into_iter().filter(|_| largest > 0.0);
    votes
        .map(|(next, weight)| (next, F::of(weight / largest)))
        .collect()
}

/// What a vote of 1 is worth, so that it compares with logits `[vocab]`.
pub fn scale<F: Real>(logits: &[F]) -> F {
    max(logits).max(F::zero())
}

/// Adds the votes, each times `weight`, to the scores of their tokens.
pub fn fuse<F: Real>(votes: &[(u32, F)], weight: F, scores: &mut [F]) {
    for &(next, vote) in votes {
        let score = &mut scores[next as usize];
        *score = *score + weight * vote;
    }
}

impl DecodeMethod for Grad {
    const NAME: &'static str = "grad";
    const FILES: &'static [&'static str] = &["graph"];
    const CHECKS: &'static [Check] = &[Check {
        slug: "grad",
        kind: "graph_fuse",
        run: check::graph_fuse,
    }];

    fn check(&self) -> Result<(), String> {
        match self.alpha.is_finite() && self.alpha >= 0.0 {
            true => Ok(()),
            false => Err(format!("alpha is {}; it must be 0 or more", self.alpha)),
        }
    }

    fn start(&self, model: &Target<'_>) -> Result<Way, String> {
        if self.graph.is_empty() {
            return Err("`graph` names no file; give the graph of some texts".to_owned());
        }
        let graph = Graph::read(Path::new(&self.graph)).map_err(|error| error.to_string())?;
        let foreign = |error| format!("{}: {error}", self.graph);
        graph.fits(model.shape.vocab).map_err(foreign)?;
        graph.is_of(&(model.reader)()?).map_err(foreign)?;
        Ok(Way::Steer(Box::new(Voting {
            settings: self.clone(),
            graph,
        })))
    }
}

/// At work on an answer.
struct Voting {
    settings: Grad,
    graph: Graph,
}

impl Steering for Voting {
    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let votes = votes::<f32>(&self.graph, step.tokens, self.settings.weight);
        let model = argmax(step.logits[0]);
        if votes.is_empty() {
            return Told {
                source: Some(Source::Model),
                ..Told::default()
            };
        }
        let gate = self.settings.gate.of(step.logits[0]);
        let weight = self.settings.alpha * gate * scale(step.logits[0]);
        fuse(&votes, weight, scores);
        let chosen = argmax(scores);
        let (edge, note) = self.edge(step.tokens, chosen as u32).unzip();
        Told {
            source: Some(match chosen == model {
                true => Source::Model,
                false => Source::Knowledge,
            }),
            numbers: vec![("gate", gate.into())],
            edge: edge.unwrap_or_default(),
            note,
        }
    }
}

impl Voting {
    /// The edge to a token, and what it weighs in words.
    fn edge(&self, text: &[u32], token: u32) -> Option<(Vec<u32>, String)> {
        let (next, edge) = self.graph.after(text).find(|(next, _)| *next == token)?;
        let mut tokens = self.graph.key(text)?.to_vec();
        tokens.push(next);
        let weight = self.settings.weight.of(edge);
        Some((
            tokens,
            format!("weight {weight:.2}, seen {} times", edge.count),
        ))
    }
}

#[cfg(test)]
mod tests {
    use engraft_runtime::Shape;

    use super::*;
    use crate::graph::Reader;

    /// Edges 1 -> 2 with logits 1 and 1, 1 -> 3 with logit 4; 5 -> 6 with a negative one.
    fn graph() -> Graph {
        let reader = Reader {
            tokenizer_hash: String::new(),
            model_hash: String::new(),
        };
        let mut graph = Graph::new(reader, 1, false);
        for (text, logit) in [([1, 2], 1.5), ([1, 2], 1.5), ([1, 3], 2.5), ([5, 6], -1.0)] {
            graph.add(&text, &[logit; 14], 7);
        }
        graph
    }

    #[test]
    fn grad_sums_let_frequency_win_and_means_do_not() {
        let votes = |weight| votes::<f64>(&graph(), &[0, 1], weight);
        assert_eq!(votes(Weight::Sum), [(2, 1.0), (3, 2.5 / 3.0)]);
        assert_eq!(votes(Weight::Mean), [(2, 0.6), (3, 1.0)]);
    }

    #[test]
    fn grad_edges_without_a_weight_above_0_are_no_edges() {
        assert!(votes::<f64>(&graph(), &[5], Weight::Sum).is_empty());
        assert!(votes::<f64>(&graph(), &[4], Weight::Sum).is_empty());
        assert!(votes::<f64>(&graph(), &[], Weight::Sum).is_empty());
    }

    #[test]
    fn grad_gates_are_finite_beside_impossible_tokens() {
        let logits = [0.0, 0.0, f64::NEG_INFINITY, f64::NEG_INFINITY];
        assert!((Gate::Entropy.of(&logits) - 0.5).abs() < 1e-12);
        assert!((Gate::OneMinusPmax.of(&logits) - 0.5).abs() < 1e-12);
        assert_eq!(Gate::Entropy.of(&[3.0f32]), 0.0);
        let mut scores = [f64::NEG_INFINITY, -2.0];
        fuse(&[(0, 1.0)], scale(&scores), &mut scores);
        assert_eq!(scores, [f64::NEG_INFINITY, -2.0]);
    }

    #[test]
    fn grad_without_a_file_or_with_a_bad_weight_says_so_in_a_sentence() {
        let shape = Shape {
            vocab: 2,
            blocks: 1,
            heads: 1,
            kv_heads: 1,
            head_width: 1,
            width: 1,
            context: 1,
        };
        let said = Grad::default().start(&Target::of(shape)).err().unwrap();
        assert!(said.contains("graph"), "{said}");
        let absent = Grad {
            graph: "/nowhere/graph.json".to_owned(),
            alpha: f32::NAN,
            ..Grad::default()
        };
        assert!(
            absent
                .start(&Target::of(shape))
                .err()
                .unwrap()
                .contains("/nowhere/graph.json")
        );
        assert!(absent.check().is_err());
    }
}
