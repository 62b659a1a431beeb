//! What tests of networks need: values from numbers, small networks, greedy text.

use burn::tensor::{Device, Tensor, TensorData};
use engraft_nets::{Batch, IGNORE, Input, InputShape, Mode, Network, Spec, Taps, Value, create};

/// A value of the rank that `shape` has.
pub fn value(numbers: Vec<f32>, shape: &[usize]) -> Value {
    let device = Device::flex();
    let data = TensorData::new(numbers, shape.to_vec());
    match shape.len() {
        1 => Value::R1(Tensor::from_data(data, &device)),
        2 => Value::R2(Tensor::from_data(data, &device)),
        _ => Value::R4(Tensor::from_data(data, &device)),
    }
}

/// A fresh network from a recipe's words, 13 tokens or classes.
pub fn network(spec: serde_json::Value) -> Box<dyn Network> {
    let spec: Spec = serde_json::from_value(spec).expect("a specification");
    let input = match spec.is_language_model() {
        true => InputShape::Tokens,
        false => InputShape::Image {
            channels: 3,
            height: 8,
            width: 8,
        },
    };
    create(&spec, 13, input, 3, &Device::flex()).expect("a network")
}

pub fn gpt() -> Box<dyn Network> {
    network(serde_json::json!({ "gpt": { "layers": 3, "width": 8, "heads": 2, "context": 8 } }))
}

pub fn llama() -> Box<dyn Network> {
    network(serde_json::json!({ "llama": {
        "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "attention_bias": true,
        "qk_norm": true,
    } }))
}

pub fn resnet() -> Box<dyn Network> {
    network(serde_json::json!({ "resnet": { "depth": 8 } }))
}

pub fn mlp() -> Box<dyn Network> {
    network(serde_json::json!({ "mlp": { "widths": [10, 9] } }))
}

/// Two sequences of four tokens.
pub fn tokens() -> Batch {
    Batch {
        input: Input::Tokens {
            ids: vec![1, 5, 2, 9, 3, 3, 12, 0],
            shape: [2, 4],
        },
        labels: vec![IGNORE; 8],
        samples: vec![0, 1],
    }
}

/// Two images of 3 x 8 x 8.
pub fn images() -> Batch {
    let pixels = (0..2 * 3 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
    Batch {
        input: Input::Images {
            pixels,
            shape: [2, 3, 8, 8],
        },
        labels: vec![0; 2],
        samples: vec![0, 1],
    }
}

pub fn logits(network: &dyn Network, batch: &Batch, taps: &mut Taps) -> Vec<f32> {
    let signals = network.forward(batch, Mode::Eval, taps);
    Value::R2(signals.logits.full()).to_vec()
}

/// `start` and the most probable tokens after it.
pub fn greedy(network: &dyn Network, start: Vec<u32>, new: usize) -> Vec<u32> {
    let vocab = network.capabilities().classes;
    let mut ids = start;
    for _ in 0..new {
        let batch = Batch {
            labels: vec![IGNORE; ids.len()],
            samples: vec![0],
            input: Input::Tokens {
                shape: [1, ids.len()],
                ids: ids.clone(),
            },
        };
        let all = logits(network, &batch, &mut Taps::none());
        let last = &all[all.len() - vocab..];
        let best = (0..vocab).max_by(|&a, &b| last[a].total_cmp(&last[b]));
        ids.push(best.expect("a vocabulary") as u32);
    }
    ids
}

#[track_caller]
pub fn close(found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let bound = tolerance * wanted.abs().max(1.0);
        assert!(
            (found - wanted).abs() <= bound,
            "[{i}]: {found} instead of {wanted}"
        );
    }
}
