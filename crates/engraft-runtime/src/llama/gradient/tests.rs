use engraft_files::safetensors::pack;
use serde_json::{Value, json};

use super::*;
use crate::{Options, Precision};

/// Numbers between -1 and 1 from a linear congruence.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

const WIDTH: usize = 32;
const HEAD: usize = 8;
const VOCAB: usize = 40;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const BLOCKS: usize = 2;

/// A small model of random weights; `extra` joins its configuration.
fn model(extra: Value) -> Llama {
    let mut config = json!({
        "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": 64,
        "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD, "vocab_size": VOCAB, "max_position_embeddings": 128,
        "tie_word_embeddings": true,
    });
    let keys = config.as_object_mut().expect("an object");
    keys.extend(extra.as_object().expect("an object").clone());
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
    let weights = pack(tensors(&config));
    std::fs::write(folder.path().join("model.safetensors"), weights).expect("written");
    let options = Options {
        precision: Precision::F32,
        threads: Some(2),
        kernel: None,
    };
    Llama::load(folder.path(), options).expect("a model").model
}

/// All tensors of the configuration.
fn tensors(config: &Value) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let (queries, keys) = (HEADS * HEAD, KV_HEADS * HEAD);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("model.embed_tokens.weight".into(), vec![VOCAB, WIDTH]),
        ("model.norm.weight".into(), vec![WIDTH]),
    ];
    if config["tie_word_embeddings"] == json!(false) {
        shapes.push(("lm_head.weight".into(), vec![VOCAB, WIDTH]));
    }
    for layer in 0..BLOCKS {
        let mut add = |part: &str, shape: &[usize]| {
            shapes.push((format!("model.layers.{layer}.{part}"), shape.to_vec()));
        };
        add("input_layernorm.weight", &[WIDTH]);
        add("post_attention_layernorm.weight", &[WIDTH]);
        add("self_attn.o_proj.weight", &[WIDTH, queries]);
        add("mlp.gate_proj.weight", &[64, WIDTH]);
        add("mlp.up_proj.weight", &[64, WIDTH]);
        add("mlp.down_proj.weight", &[WIDTH, 64]);
        for (part, rows) in [("q", queries), ("k", keys), ("v", keys)] {
            add(&format!("self_attn.{part}_proj.weight"), &[rows, WIDTH]);
            if config["attention_bias"] == json!(true) {
                add(&format!("self_attn.{part}_proj.bias"), &[rows]);
            }
        }
        if config["model_type"] == json!("qwen3") {
            add("self_attn.q_norm.weight", &[HEAD]);
            add("self_attn.k_norm.weight", &[HEAD]);
        }
    }
    let filled = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
        let mut all = numbers(seed as u32 + 1, shape.iter().product());
        for x in &mut all {
            *x = match name.contains("norm") {
                true => 1.0 + 0.3 * *x,
                false => 0.5 * *x,
            };
        }
        (name, shape, all)
    };
    shapes.into_iter().enumerate().map(filled).collect()
}

/// All that the gradient treats differently.
fn models() -> [(&'static str, Llama); 3] {
    let untied = json!({"tie_word_embeddings": false, "attention_bias": true});
    [
        ("tied", model(json!({}))),
        ("untied with biases", model(untied)),
        ("normed heads", model(json!({"model_type": "qwen3"}))),
    ]
}

/// More positions than a page has.
const POSITIONS: usize = 70;

fn past(model: &Llama) -> Sequence {
    let mut stream = model.stream();
    let tokens: Vec<u32> = (0..POSITIONS as u32).map(|at| at * 7 % 40).collect();
    forward(model, &mut stream, &tokens);
    stream
}

fn forward(model: &Llama, stream: &mut Sequence, tokens: &[u32]) -> Vec<f32> {
    let ask = Ask::Last;
    let mut feeds = [Feed {
        stream,
        tokens,
        ask,
    }];
    model.forward(&mut feeds, &mut Blind).expect("it fits")
}

fn shifts(model: &Llama, past: &Sequence, seed: u32, length: f32) -> Vec<Vec<f32>> {
    let of_block = |(block, size): (usize, usize)| {
        let numbers = numbers(seed + block as u32, size).into_iter();
        numbers.map(|x| length * x).collect()
    };
    model
        .sizes(past)
        .into_iter()
        .enumerate()
        .map(of_block)
        .collect()
}

/// A loss of logits, and its slope.
fn loss(logits: &[f32]) -> f64 {
    let weights = numbers(99, logits.len());
    let terms = logits.iter().zip(weights);
    terms
        .map(|(x, weight)| f64::from(weight) * f64::from(*x) + 0.05 * f64::from(*x).powi(2))
        .sum()
}

fn slope(logits: &[f32]) -> Vec<f32> {
    let weights = numbers(99, logits.len());
    let terms = logits.iter().zip(weights);
    terms.map(|(x, weight)| weight + 0.1 * x).collect()
}

#[test]
fn gradients_by_the_cache_are_the_differences_of_the_loss() {
    const STEP: f32 = 5e-3;
    for (name, model) in models() {
        let past = past(&model);
        let at = shifts(&model, &past, 5, 0.2);
        let gradient = model.gradient(&past, &at, 3, &mut slope).expect("it fits");
        for seed in [20, 30, 40, 50] {
            let mut along = shifts(&model, &past, seed, 1.0);
            // One direction keeps to keys, one to values, one to the first block.
            for (block, along) in along.iter_mut().enumerate() {
                let half = along.len() / 2;
                match seed {
                    20 => along[half..].fill(0.0),
                    30 => along[..half].fill(0.0),
                    40 if block > 0 => along.fill(0.0),
                    _ => {}
                }
            }
            let moved = |step: f32| {
                let add = |(at, along): (&Vec<f32>, &Vec<f32>)| {
                    let pairs = at.iter().zip(along);
                    pairs.map(|(at, along)| at + step * along).collect()
                };
                let shift: Vec<Vec<f32>> = at.iter().zip(&along).map(add).collect();
                loss(&CacheGradient::logits(&model, &past, &shift, 3).expect("it fits"))
            };
            let wanted = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let pairs = gradient.iter().flatten().zip(along.iter().flatten());
            let found: f64 = pairs.map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            let near = (found - wanted).abs() < 1e-2 * wanted.abs();
            assert!(near, "{name}, {seed}: {found} {wanted}");
        }
    }
}

#[test]
fn logits_are_those_of_a_sequence_with_the_shift_in_it_and_the_past_stays() {
    for (name, model) in models() {
        let past = past(&model);
        let still = shifts(&model, &past, 0, 0.0);
        let shift = shifts(&model, &past, 5, 0.2);
        let plain = forward(&model, &mut past.clone(), &[3]);
        let mut written = past.clone();
        for (block, shift) in shift.iter().enumerate() {
            for position in 0..POSITIONS {
                let [key, value] = cached(&past, block, position, shift);
                written.write(block, position, &key, &value);
            }
        }
        let changed = forward(&model, &mut written, &[3]);
        for (shift, wanted) in [(&shift, &changed), (&still, &plain)] {
            let found = CacheGradient::logits(&model, &past, shift, 3).expect("it fits");
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(found.iter().zip(wanted).all(near), "{name}");
        }
        let apart = plain.iter().zip(&changed).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) > 1e-2, "{name}");
    }
}

/// Key and value `[kv_heads * head_width]` of a position, shifted.
fn cached(past: &Sequence, block: usize, position: usize, shift: &[f32]) -> [Vec<f32>; 2] {
    let (page, at) = (&past.blocks[block][position / 64], position % 64);
    let [mut key, mut value] = [Vec::new(), Vec::new()];
    for head in 0..KV_HEADS {
        for column in 0..HEAD {
            let by = |which: usize| {
                let head = which * KV_HEADS + head;
                shift[(head * POSITIONS + position) * HEAD + column]
            };
            key.push(page.keys.read()[(head * HEAD + column) * 64 + at] + by(0));
            value.push(page.values.read()[(head * 64 + at) * HEAD + column] + by(1));
        }
    }
    [key, value]
}

#[test]
fn an_empty_past_has_no_gradient_and_bad_tokens_are_refused() {
    let model = model(json!({}));
    let (empty, none) = (model.stream(), vec![Vec::new(); BLOCKS]);
    let gradient = model
        .gradient(&empty, &none, 3, &mut slope)
        .expect("it fits");
    assert_eq!(gradient, none);
    assert!(model.gradient(&empty, &none, 40, &mut slope).is_err());
    let mut full = model.stream();
    forward(&model, &mut full, &[1; 128]);
    let still = shifts(&model, &full, 0, 0.0);
    assert!(CacheGradient::logits(&model, &full, &still, 3).is_err());
}
