//! SmolLM2-135M-Instruct from its GGUF file equals transformers on the same (dequantised) weights.
//!
//! The weights are not part of this repository: without them the test says that it did not run.

use std::path::PathBuf;

use crate::support::{greedy, logits};
use burn::tensor::{Device, Tensor};
use engraft_method::parity::{self, Case, Check, ParityError};
use engraft_nets::{
    Batch, IGNORE, Input, Loaded, Mode, Network, Parameter, Taps, Value, load_folder,
};

/// Of logits, as the cases say.
const TOLERANCE: f32 = 2e-3;

const NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

fn path() -> Option<PathBuf> {
    let data = PathBuf::from(std::env::var_os("ENGRAFT_DATA")?);
    Some(data.join(NAME)).filter(|path| path.exists())
}

fn model() -> Loaded {
    load_folder(&path().expect("checked before"), &Device::flex()).expect("a whole file")
}

fn parameter<'a>(network: &'a dyn Network, name: &str) -> &'a Parameter {
    let mut parameters = network.parameters().into_iter();
    parameters.find(|p| p.name == name).expect("a Llama has it")
}

fn prompt(ids: &[u32]) -> Batch {
    Batch {
        input: Input::Tokens {
            ids: ids.to_vec(),
            shape: [1, ids.len()],
        },
        labels: vec![IGNORE; ids.len()],
        samples: vec![0],
    }
}

fn lengths(state: Tensor<2>) -> Vec<f32> {
    let rows = state.dims()[0];
    let squares = state.square().sum_dim(1).sqrt().reshape([rows]);
    Value::R1(squares).to_vec()
}

fn argmax(row: &[f32]) -> f64 {
    let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    best.unwrap_or(0) as f64
}

/// The ids of a case's prompt.
fn ids(case: &Case) -> Result<Vec<u32>, ParityError> {
    let ids = case.input("prompt_ids")?.i64();
    Ok(ids.into_iter().map(|id| id as u32).collect())
}

fn forward_and_greedy(case: &mut Case) -> Result<(), ParityError> {
    let network = &*model().network;
    let ids = ids(case)?;
    inside(case, network, &ids);
    let told = greedy(network, ids.clone(), 16);
    case.output("gen_ids", told[ids.len()..].iter().map(|&id| f64::from(id)));
    let (mut best, mut values, mut margins, mut sums) = (vec![], vec![], vec![], vec![]);
    let wanted = case
        .wanted("top20_ids")
        .map(parity::Tensor::i64)
        .unwrap_or_default();
    for (step, end) in (ids.len()..told.len()).enumerate() {
        let all = logits(network, &prompt(&told[..end]), &mut Taps::none());
        let row = &all[all.len() - network.capabilities().classes..];
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        for (rank, &id) in order[..20].iter().enumerate() {
            // Two logits nearer than their tolerance may stand in either order.
            let other = wanted.get(step * 20 + rank).map(|&id| id as usize);
            let tied = other.filter(|&other| (row[other] - row[id]).abs() < TOLERANCE);
            best.push(tied.unwrap_or(id) as f64);
        }
        values.extend(order[..20].iter().map(|&id| f64::from(row[id])));
        margins.push(f64::from(row[order[0]] - row[order[1]]));
        let top = f64::from(row[order[0]]);
        let rest: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
        sums.push(top + rest.ln());
    }
    case.output("top20_ids", best);
    case.output("top20_logits", values);
    case.output("margin", margins);
    case.output("logit_logsumexp", sums);
    Ok(())
}

/// Residual stream and attention of the prompt.
fn inside(case: &mut Case, network: &dyn Network, ids: &[u32]) {
    let blocks = network.capabilities().blocks;
    let mut taps = Taps {
        want_hidden: (0..=blocks).collect(),
        want_attention: (0..blocks).collect(),
        want_heads: (0..blocks).collect(),
        ..Taps::none()
    };
    network.forward(&prompt(ids), Mode::Eval, &mut taps);
    let norm = parameter(network, "model.norm.weight").r1();
    let embed = parameter(network, "model.embed_tokens.weight").r2();
    let normed = |state: Tensor<2>| engraft_ops::rms_norm(state, norm.clone(), 1e-5);
    let (mut sizes, mut first, mut lens, mut middle) = (vec![], vec![], vec![], vec![]);
    for index in 0..=blocks {
        let Value::R2(state) = taps.hidden[&index].clone() else {
            unreachable!("a language model's states have rows")
        };
        let last = ids.len() - 1;
        let seen = normed(state.clone());
        let predicted = engraft_ops::linear(seen.clone().narrow(0, last, 1), embed.clone(), None);
        lens.push(argmax(&Value::R2(predicted).to_vec()));
        // transformers counts the last state after the final norm.
        let counted = if index == blocks { seen } else { state.clone() };
        sizes.extend(lengths(counted.clone()));
        first.extend(Value::R2(counted.slice([last..last + 1, 0..8])).to_vec());
        if index == blocks {
            case.output_f32("resid_final_l2", &lengths(state));
            break;
        }
        let heads = taps.heads[&index].clone();
        let [_, count, tokens, width] = heads.dims();
        let joined = heads.swap_dims(1, 2).reshape([tokens, count * width]);
        let name = format!("model.layers.{index}.self_attn.o_proj.weight");
        let weight = parameter(network, &name).r2();
        middle.extend(lengths(state + engraft_ops::linear(joined, weight, None)));
    }
    case.output_f32("hidden_l2", &sizes);
    case.output_f32("hidden_last_first8", &first);
    case.output("lens_top1", lens);
    case.output_f32("pre_ffn_l2", &middle);
    attention(case, &taps);
}

fn attention(case: &mut Case, taps: &Taps) {
    let (mut maps, mut sums, mut entropies, mut sinks) = (vec![], vec![], vec![], vec![]);
    for map in taps.attention.values() {
        let [_, heads, tokens, _] = map.dims();
        let last = map
            .clone()
            .slice([0..1, 0..heads, tokens - 1..tokens, 0..tokens]);
        let rows = Value::R4(last).to_vec();
        for row in rows.chunks(tokens) {
            sums.push(row.iter().sum::<f32>());
            entropies.push(
                -row.iter()
                    .filter(|&&p| p > 0.0)
                    .map(|p| p * p.ln())
                    .sum::<f32>(),
            );
            sinks.push(row[0]);
        }
        maps.extend(rows);
    }
    case.output_f32("attn_last", &maps);
    case.output_f32("attn_rowsum_last", &sums);
    case.output_f32("attn_entropy_last", &entropies);
    case.output_f32("sink_mass_last", &sinks);
}

/// All logits after the first prompt, whose ids the case does not repeat.
fn full_logits(case: &mut Case) -> Result<(), ParityError> {
    let loaded = model();
    let ids = loaded
        .tokenizer
        .expect("the file has one")
        .encode("The capital of France is");
    let all = logits(&*loaded.network, &prompt(&ids), &mut Taps::none());
    let vocab = loaded.network.capabilities().classes;
    case.output_f32("logits", &all[all.len() - vocab..]);
    Ok(())
}

fn tokenize(case: &mut Case) -> Result<(), ParityError> {
    let tokenizer = model().tokenizer.expect("the file has one");
    let cases = case.document()?["cases"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut wrong = Vec::new();
    for case in &cases {
        let text = case["text"].as_str().unwrap_or_default();
        let ids: Vec<u64> = tokenizer.encode(text).into_iter().map(u64::from).collect();
        if serde_json::json!(ids) != case["ids"] {
            wrong.push(format!("{text:?}: {ids:?} instead of {}", case["ids"]));
        }
    }
    match wrong.is_empty() && !cases.is_empty() {
        true => Ok(()),
        false => Err(ParityError::Computation(wrong.join("; "))),
    }
}

#[test]
fn parity_with_transformers_on_smollm2() {
    if path().is_none() {
        println!("did not run: set ENGRAFT_DATA to a folder that holds {NAME}");
        return;
    }
    let check = |kind, run| Check {
        slug: "smollm2-135m",
        kind,
        run,
    };
    let checks = [
        check("forward_and_greedy", forward_and_greedy),
        check("full_logits", full_logits),
        check("tokenize", tokenize),
    ];
    let report = parity::run(&parity::folder(), "smollm2-135m", &checks).expect("readable cases");
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
