//! SmolLM2-135M-Instruct from its GGUF file beside transformers on the same (dequantised) weights: every
//! number in floats, the greedy text in eight bits.
//!
//! The weights are not part of this repository: without them the tests say that they did not run.

use std::{collections::BTreeMap, path::PathBuf};

use engraft_method::parity::{self, Case, Check, ParityError};
use engraft_runtime::{
    Ask, Blind, CausalLm, Feed, Llama, Loaded, Options, Precision, Probe, Row, Sequence, Site,
};

/// Of logits, as the cases say.
const TOLERANCE: f32 = 2e-3;

const NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

fn path() -> Option<PathBuf> {
    let data = PathBuf::from(std::env::var_os("ENGRAFT_DATA")?);
    let path = Some(data.join(NAME)).filter(|path| path.exists());
    if path.is_none() {
        println!("did not run: set ENGRAFT_DATA to a folder that holds {NAME}");
    }
    path
}

fn model(precision: Precision) -> Loaded {
    let options = Options {
        precision,
        ..Options::default()
    };
    Llama::load(&path().expect("checked before"), options).expect("a whole file")
}

fn feed(model: &Llama, stream: &mut Sequence, tokens: &[u32], probe: &mut dyn Probe) -> Vec<f32> {
    let ask = Ask::Last;
    let mut feeds = [Feed {
        stream,
        tokens,
        ask,
    }];
    model.forward(&mut feeds, probe).expect("it fits")
}

fn argmax(row: &[f32]) -> usize {
    (0..row.len())
        .max_by(|&a, &b| row[a].total_cmp(&row[b]))
        .unwrap_or(0)
}

fn ids(case: &Case) -> Result<Vec<u32>, ParityError> {
    let ids = case.input("prompt_ids")?.i64();
    Ok(ids.into_iter().map(|id| id as u32).collect())
}

/// Keeps a copy of everything.
#[derive(Default)]
struct All(BTreeMap<Site, Vec<f32>>);

impl Probe for All {
    fn wants(&self, _site: Site) -> bool {
        true
    }

    fn at(&mut self, site: Site, rows: &[Row], values: &mut [f32]) {
        match site {
            Site::Attention(_) if !rows[0].last => {}
            _ => drop(self.0.insert(site, values.to_vec())),
        }
    }
}

fn forward_and_greedy(case: &mut Case) -> Result<(), ParityError> {
    let model = model(Precision::F32).model;
    let ids = ids(case)?;
    let (mut stream, mut all) = (model.stream(), All::default());
    let mut row = feed(&model, &mut stream, &ids, &mut all);
    inside(case, &model, &all);
    let (mut told, mut best, mut values, mut margins, mut sums) =
        (vec![], vec![], vec![], vec![], vec![]);
    let wanted = case
        .wanted("top20_ids")
        .map(parity::Tensor::i64)
        .unwrap_or_default();
    for step in 0..16 {
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
        told.push(order[0] as f64);
        row = feed(&model, &mut stream, &[order[0] as u32], &mut Blind);
    }
    case.output("gen_ids", told);
    case.output("top20_ids", best);
    case.output("top20_logits", values);
    case.output("margin", margins);
    case.output("logit_logsumexp", sums);
    Ok(())
}

/// Residual stream and attention of the prompt.
fn inside(case: &mut Case, model: &Llama, all: &All) {
    let shape = model.shape();
    let width = shape.width;
    let lengths = |states: &[f32]| -> Vec<f32> {
        let rows = states.chunks(width);
        rows.map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt())
            .collect()
    };
    let (mut sizes, mut first, mut lens, mut middle) = (vec![], vec![], vec![], vec![]);
    let (mut maps, mut sums, mut entropies, mut sinks) = (vec![], vec![], vec![], vec![]);
    for index in 0..=shape.blocks {
        let site = match index {
            0 => Site::Embeddings,
            _ => Site::After(index - 1),
        };
        let states = &all.0[&site];
        let last = &states[states.len() - width..];
        lens.push(argmax(&model.lens(last)) as f64);
        if index == shape.blocks {
            case.output_f32("resid_final_l2", &lengths(states));
            let normed = final_norm(model, states);
            sizes.extend(lengths(&normed));
            first.extend_from_slice(&normed[normed.len() - width..][..8]);
            break;
        }
        sizes.extend(lengths(states));
        first.extend_from_slice(&last[..8]);
        middle.extend(lengths(&all.0[&Site::Middle(index)]));
        let map = &all.0[&Site::Attention(index)];
        for row in map.chunks(map.len() / shape.heads) {
            sums.push(row.iter().sum::<f32>());
            let parts = row.iter().filter(|&&p| p > 0.0);
            entropies.push(-parts.map(|p| p * p.ln()).sum::<f32>());
            sinks.push(row[0]);
        }
        maps.extend_from_slice(map);
    }
    case.output_f32("hidden_l2", &sizes);
    case.output_f32("hidden_last_first8", &first);
    case.output("lens_top1", lens);
    case.output_f32("pre_ffn_l2", &middle);
    case.output_f32("attn_last", &maps);
    case.output_f32("attn_rowsum_last", &sums);
    case.output_f32("attn_entropy_last", &entropies);
    case.output_f32("sink_mass_last", &sinks);
}

/// What the final norm makes of states, for transformers counts the last one after it.
fn final_norm(model: &Llama, states: &[f32]) -> Vec<f32> {
    let rows = states.chunks(model.shape().width);
    rows.flat_map(|row| {
        let mean = row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32;
        let factor = 1.0 / (mean + 1e-5).sqrt();
        let weight = model.final_norm();
        row.iter()
            .zip(weight)
            .map(|(x, weight)| x * factor * weight)
            .collect::<Vec<_>>()
    })
    .collect()
}

fn full_logits(case: &mut Case) -> Result<(), ParityError> {
    let loaded = model(Precision::F32);
    let ids = loaded
        .tokenizer
        .expect("the file has one")
        .encode("The capital of France is");
    let model = loaded.model;
    let logits = feed(&model, &mut model.stream(), &ids, &mut Blind);
    case.output_f32("logits", &logits);
    Ok(())
}

fn tokenize(case: &mut Case) -> Result<(), ParityError> {
    let tokenizer = model(Precision::Int8).tokenizer.expect("the file has one");
    let texts = case.document()?["cases"].as_array().cloned();
    for case in texts.expect("a list of texts") {
        let ids = tokenizer.encode(case["text"].as_str().unwrap_or_default());
        if serde_json::json!(ids) != case["ids"] {
            let problem = format!("{case} is cut into {ids:?}");
            return Err(ParityError::Computation(problem));
        }
    }
    Ok(())
}

fn check(kind: &'static str, run: fn(&mut Case) -> Result<(), ParityError>) -> Check {
    Check {
        slug: "smollm2-135m",
        kind,
        run,
    }
}

#[test]
fn floats_equal_transformers() {
    if path().is_none() {
        return;
    }
    let checks = [
        check("forward_and_greedy", forward_and_greedy),
        check("full_logits", full_logits),
        check("tokenize", tokenize),
    ];
    let report = parity::run(&parity::folder(), "smollm2-135m", &checks).expect("readable cases");
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

#[test]
fn eight_bits_tell_the_same_greedy_text_for_four_of_five_prompts() {
    if path().is_none() {
        return;
    }
    let model = model(Precision::Int8).model;
    let cases = parity::load(&parity::folder().join("smollm2-135m"), "smollm2-135m");
    let (mut same, mut all) = (0, 0);
    for case in cases.expect("readable cases") {
        let (Ok(ids), Some(wanted)) = (ids(&case), case.wanted("gen_ids")) else {
            continue;
        };
        let mut stream = model.stream();
        let mut row = feed(&model, &mut stream, &ids, &mut Blind);
        let mut told = Vec::new();
        for _ in 0..16 {
            let next = argmax(&row);
            told.push(next as i64);
            row = feed(&model, &mut stream, &[next as u32], &mut Blind);
        }
        all += 1;
        same += usize::from(told == wanted.i64());
    }
    println!("{same} of {all} prompts");
    assert!(all == 5 && same >= 4, "{same} of {all}");
}

#[test]
fn streams_forks_and_rollbacks_do_not_change_a_number() {
    if path().is_none() {
        return;
    }
    let model = model(Precision::Int8).model;
    let prompt: Vec<u32> = (100..230).collect();
    let mut whole = model.stream();
    let alone = feed(&model, &mut whole, &prompt, &mut Blind);
    // Piece by piece, with a fork that goes elsewhere and comes back.
    let mut stream = model.stream();
    feed(&model, &mut stream, &prompt[..70], &mut Blind);
    let mut fork = stream.clone();
    feed(&model, &mut fork, &[5, 6, 7], &mut Blind);
    engraft_runtime::Stream::truncate(&mut fork, 69);
    let mut feeds = [
        Feed {
            stream: &mut stream,
            tokens: &prompt[70..],
            ask: Ask::Last,
        },
        Feed {
            stream: &mut fork,
            tokens: &prompt[69..],
            ask: Ask::Last,
        },
    ];
    let both = model.forward(&mut feeds, &mut Blind).expect("it fits");
    for (at, found) in both.iter().enumerate() {
        let wanted = alone[at % alone.len()];
        assert!((found - wanted).abs() < 1e-4, "{at}: {found} {wanted}");
    }
}
