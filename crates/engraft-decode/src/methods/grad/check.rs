//! GRAD beside reference numbers.

use engraft_method::parity::{Case, ParityError};

use super::{Gate, Weight, fuse, scale, votes};
use crate::{
    graph::{Graph, Reader},
    logits::argmax,
};

/// Builds the graph of the case's texts and lets it vote on one step.
pub(super) fn graph_fuse(case: &mut Case) -> Result<(), ParityError> {
    let alpha = case.number("alpha")?;
    let graph = build(case)?;
    let logits = case.input("model_logits")?.values.clone();
    let last: Vec<u32> = tokens(&case.input("last_token")?.values);
    let dense = |pairs: Vec<(u32, f64)>| {
        let mut dense = vec![0.0; logits.len()];
        fuse(&pairs, 1.0, &mut dense);
        dense
    };
    let edges = graph.after(&last).map(|(next, edge)| (next, edge.sum));
    let given = dense(edges.collect());
    let votes = votes(&graph, &last, Weight::Sum);
    let fused = |gate: Gate| {
        let mut scores = logits.clone();
        let weight = alpha * gate.of(&logits) * scale(&logits);
        fuse(&votes, weight, &mut scores);
        scores
    };
    let (constant, entropy) = (fused(Gate::Const), fused(Gate::Entropy));
    let unit = dense(votes.clone());

    let pairs = graph.edges().map(|(key, next, _)| [key[0], next]);
    let pairs: Vec<f64> = pairs.flatten().map(f64::from).collect();
    let weights: Vec<f64> = graph.edges().map(|(_, _, edge)| edge.sum).collect();
    case.output("edges", pairs);
    case.output("weights", weights);
    case.output("graph_logits", given);
    case.output("graph_scaled", unit.iter().map(|x| x * scale(&logits)));
    case.output("graph_unit", unit);
    case.output("entropy_gate", [Gate::Entropy.of(&logits)]);
    let chosen = [&logits, &constant, &entropy].map(|scores| argmax(scores) as f64);
    case.output("argmax", chosen);
    case.output("fused_const", constant);
    case.output("fused_entropy", entropy);
    Ok(())
}

/// The graph of the texts `[texts, longest]`, filled up with -1, whose logits follow each other.
fn build(case: &Case) -> Result<Graph, ParityError> {
    let clip = match case.json("negative_edges")?.as_str() {
        Some("clip0") => true,
        Some("keep") => false,
        other => {
            return Err(ParityError::Computation(format!(
                "negative_edges is {other:?}"
            )));
        }
    };
    let reader = Reader {
        tokenizer_hash: String::new(),
        model_hash: String::new(),
    };
    let mut graph = Graph::new(reader, 1, clip);
    let (texts, logits) = (case.input("seqs")?, case.input("logits")?);
    let [_, longest] = texts.rows();
    let [_, vocab] = logits.rows();
    let mut rest = logits.values.as_slice();
    for text in texts.values.chunks_exact(longest) {
        let text = tokens(text);
        let (own, others) = rest.split_at(text.len() * vocab);
        graph.add(&text, own, vocab);
        rest = others;
    }
    Ok(graph)
}

/// The ids before the filling.
fn tokens(ids: &[f64]) -> Vec<u32> {
    let ids = ids.iter().take_while(|id| **id >= 0.0);
    ids.map(|&id| id as u32).collect()
}
