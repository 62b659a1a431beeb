//! The runtime that decodes and the networks that train give the same numbers for the same weights.

use engraft::Device;
use engraft::nets::{
    Batch, IGNORE, Input, InputShape, Mode, Network, Spec, Taps, create, save_folder,
};
use engraft::runtime::{
    Ask, Blind, CausalLm, Feed, Kernel, Llama, Options, Precision, Probe, Row, Site, Stream,
};
use serde_json::json;

const VOCAB: usize = 97;

/// A network of the family with random weights.
fn fresh(extra: serde_json::Value) -> Box<dyn Network> {
    let mut config = json!({
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "tie_word_embeddings": false,
    });
    let (Some(config_map), Some(extra)) = (config.as_object_mut(), extra.as_object()) else {
        unreachable!("both are mappings");
    };
    config_map.extend(extra.clone());
    let spec: Spec = serde_json::from_value(json!({ "llama": config })).expect("a description");
    let device = Device::flex();
    create(&spec, VOCAB, InputShape::Tokens, 7, &device).expect("a network")
}

/// The same with larger weights, biases and norms that are no constants, so that every part shows.
fn network(extra: serde_json::Value) -> Box<dyn Network> {
    let mut network = fresh(extra);
    for parameter in network.parameters_mut() {
        let numbers = parameter.value.to_vec();
        let moved = numbers
            .iter()
            .enumerate()
            .map(|(at, x)| 4.0 * x + 0.05 * (at as f32 * 0.7).sin())
            .collect();
        parameter.value = parameter.holding(moved);
    }
    network
}

fn by_network(network: &dyn Network, ids: &[u32]) -> Vec<f32> {
    let batch = Batch {
        input: Input::Tokens {
            ids: ids.to_vec(),
            shape: [1, ids.len()],
        },
        labels: vec![IGNORE; ids.len()],
        samples: vec![0],
    };
    let signals = network.forward(&batch, Mode::Eval, &mut Taps::none());
    engraft::nets::Value::R2(signals.logits.full()).to_vec()
}

fn load(network: &dyn Network, options: Options) -> Llama {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    save_folder(&path, network, None).expect("a model folder");
    Llama::load(&path, options).expect("our own folder").model
}

fn by_runtime(model: &Llama, ids: &[u32], probe: &mut dyn Probe) -> Vec<f32> {
    let mut stream = model.stream();
    let mut feeds = [Feed {
        stream: &mut stream,
        tokens: ids,
        ask: Ask::All,
    }];
    model.forward(&mut feeds, probe).expect("it fits")
}

fn ids() -> Vec<u32> {
    (0..150u32).map(|at| at * at % VOCAB as u32).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn floats_agree_for_every_kind_of_the_family() {
    for extra in [
        json!({}),
        json!({ "tie_word_embeddings": true }),
        json!({ "attention_bias": true, "head_dim": 24 }),
    ] {
        let network = network(extra.clone());
        for threads in [1, 3] {
            let options = Options {
                precision: Precision::F32,
                threads: Some(threads),
                kernel: None,
            };
            let model = load(&*network, options);
            let found = by_runtime(&model, &ids(), &mut Blind);
            let off = largest_difference(&found, &by_network(&*network, &ids()));
            assert!(off < 2e-3, "{extra}: {off}");
        }
    }
}

#[test]
fn every_kernel_gives_nearly_the_same_in_eight_bits() {
    // Larger weights would make so small a network chaotic, which a real one is not.
    let network = fresh(json!({}));
    let wanted = by_network(&*network, &ids());
    let spread = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for kernel in Kernel::here() {
        let options = Options {
            precision: Precision::Int8,
            threads: Some(2),
            kernel: Some(kernel),
        };
        let found = by_runtime(&load(&*network, options), &ids(), &mut Blind);
        let off = largest_difference(&found, &wanted);
        assert!(off < 0.03 * spread, "{kernel:?}: {off} of {spread}");
    }
}

#[test]
fn a_silent_head_is_what_the_network_without_it_gives() {
    struct Silence;
    impl Probe for Silence {
        fn wants(&self, site: Site) -> bool {
            site == Site::Heads(1)
        }

        fn at(&mut self, _site: Site, rows: &[Row], values: &mut [f32]) {
            for row in values.chunks_exact_mut(values.len() / rows.len()) {
                row[16..32].fill(0.0);
            }
        }
    }
    let network = network(json!({}));
    let options = Options {
        precision: Precision::F32,
        ..Options::default()
    };
    let model = load(&*network, options);
    let mut taps = Taps {
        silence: vec![(1, 1)],
        ..Taps::none()
    };
    let batch = Batch {
        input: Input::Tokens {
            ids: ids(),
            shape: [1, 150],
        },
        labels: vec![IGNORE; 150],
        samples: vec![0],
    };
    let signals = network.forward(&batch, Mode::Eval, &mut taps);
    let wanted = engraft::nets::Value::R2(signals.logits.full()).to_vec();
    let found = by_runtime(&model, &ids(), &mut Silence);
    assert!(largest_difference(&found, &wanted) < 2e-3);
    assert!(largest_difference(&by_runtime(&model, &ids(), &mut Blind), &wanted) > 1e-2);
}

#[test]
fn pieces_forks_and_rollbacks_give_what_one_pass_gives() {
    let options = Options {
        precision: Precision::F32,
        ..Options::default()
    };
    let model = load(&*network(json!({})), options);
    let (ids, whole) = (ids(), by_runtime(&model, &ids(), &mut Blind));
    let wanted = &whole[whole.len() - VOCAB..];
    let mut stream = model.stream();
    let feed = |stream: &mut engraft::runtime::Sequence, tokens: &[u32]| {
        let ask = Ask::Last;
        let mut feeds = [Feed {
            stream,
            tokens,
            ask,
        }];
        model.forward(&mut feeds, &mut Blind).expect("it fits")
    };
    feed(&mut stream, &ids[..70]);
    // A fork goes elsewhere and comes back; the page that both share must not change for the other.
    let mut fork = stream.clone();
    feed(&mut fork, &[5, 6, 7]);
    fork.truncate(69);
    let mut feeds = [
        Feed {
            stream: &mut stream,
            tokens: &ids[70..],
            ask: Ask::Last,
        },
        Feed {
            stream: &mut fork,
            tokens: &ids[69..],
            ask: Ask::Last,
        },
    ];
    let both = model.forward(&mut feeds, &mut Blind).expect("it fits");
    assert!(largest_difference(&both[..VOCAB], wanted) < 1e-3);
    assert!(largest_difference(&both[VOCAB..], wanted) < 1e-3);
    let mut feeds = [Feed {
        stream: &mut stream,
        tokens: &[1; 200],
        ask: Ask::Last,
    }];
    let error = model.forward(&mut feeds, &mut Blind).unwrap_err();
    assert!(error.to_string().contains("context of 256"), "{error}");
    assert_eq!(stream.len(), 150, "nothing was fed");
}
