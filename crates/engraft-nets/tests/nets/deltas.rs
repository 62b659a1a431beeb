//! Deltas change what a layer does, only they are trained, and merging them changes nothing more.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{close, gpt, llama, logits, tokens, value};
use engraft_nets::{Delta, Mode, Network, Parameter, Role, Taps, each_rank};

fn numbers(seed: f32, count: usize) -> Vec<f32> {
    (0..count).map(|i| (seed + i as f32).sin() * 0.3).collect()
}

fn parameter(name: String, seed: f32, shape: [usize; 2]) -> Parameter {
    let value = value(numbers(seed, shape[0] * shape[1]), &shape);
    Parameter::new(name, Role::Weight, value)
}

/// A delta of rank 2 and a dense one on every linear layer.
fn attach(network: &mut dyn Network, factor: f32) {
    for layer in network.linears_mut() {
        let [out, input] = layer.shape();
        let name = |part: &str| format!("{}.{part}", layer.module());
        let low_rank = Delta::LowRank {
            a: parameter(name("lora_A.weight"), 1.0, [2, input]),
            b: parameter(name("lora_B.weight"), 2.0, [out, 2]),
        };
        let dense = Delta::Dense(parameter(name("delta.weight"), 3.0, [out, input]));
        layer.attach("first", factor, low_rank).expect("it fits");
        layer.attach("second", factor, dense).expect("it fits");
    }
}

#[test]
fn merged_deltas_compute_what_attached_ones_do() {
    for mut network in [gpt(), llama()] {
        let plain = logits(&*network, &tokens(), &mut Taps::none());
        attach(&mut *network, 0.5);
        let attached = logits(&*network, &tokens(), &mut Taps::none());
        assert!(
            plain
                .iter()
                .zip(&attached)
                .any(|(a, b)| (a - b).abs() > 1e-3)
        );
        network
            .linears_mut()
            .into_iter()
            .for_each(engraft_nets::Linear::merge);
        close(
            &logits(&*network, &tokens(), &mut Taps::none()),
            &attached,
            1e-4,
        );
    }
}

#[test]
fn a_factor_of_nothing_leaves_the_model_as_it_was() {
    let mut network = llama();
    let plain = logits(&*network, &tokens(), &mut Taps::none());
    attach(&mut *network, 0.0);
    close(
        &logits(&*network, &tokens(), &mut Taps::none()),
        &plain,
        0.0,
    );
}

#[test]
fn only_the_deltas_of_a_layer_receive_gradients() {
    let mut network = gpt();
    attach(&mut *network, 1.0);
    let tracked = network.tracked();
    let signals = tracked.forward(&tokens(), Mode::Train, &mut Taps::none());
    let gradients = signals.logits.full().sum().backward();
    let layers: Vec<String> = network
        .linears_mut()
        .iter()
        .map(|layer| layer.weight.name.clone())
        .collect();
    for parameter in tracked.parameters() {
        let gradient = each_rank!(&parameter.value, t => t.grad(&gradients).is_some());
        let frozen = layers.contains(&parameter.name)
            || layers
                .iter()
                .any(|layer| layer.replace(".weight", ".bias") == parameter.name);
        assert_eq!(gradient, !frozen, "{}", parameter.name);
    }
}

#[test]
fn a_delta_of_another_shape_is_refused_by_name() {
    let mut network = gpt();
    let mut layers = network.linears_mut();
    let wrong = Delta::Dense(parameter("d".to_owned(), 0.0, [3, 3]));
    let error = layers[0]
        .attach("mine", 1.0, wrong)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mine") && error.contains("c_attn"),
        "{error}"
    );
}

/// Gradients by name of a loss on the logits, with or without recomputing.
fn gradients(network: &dyn Network, recomputes: bool) -> Vec<(String, Vec<f32>)> {
    let mut tracked = network.tracked();
    assert!(tracked.recomputes(recomputes));
    let passes = Arc::new(AtomicUsize::new(0));
    let seen = passes.clone();
    let mut layers = tracked.linears_mut();
    layers[0].watch(Arc::new(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    }));
    drop(layers);
    let signals = tracked.forward(&tokens(), Mode::Train, &mut Taps::none());
    let mut found = signals.logits.full().powi_scalar(2).sum().backward();
    let gradient = |parameter: &Parameter| {
        let value = each_rank!(&parameter.value, t => t.grad_remove(&mut found)?.into_data());
        let numbers = value.try_into_vec().expect("f32");
        Some((parameter.name.clone(), numbers))
    };
    let passes = passes.load(Ordering::Relaxed);
    assert_eq!(
        passes,
        1 + usize::from(recomputes),
        "passes through the first layer"
    );
    tracked
        .parameters()
        .into_iter()
        .filter_map(gradient)
        .collect()
}

#[test]
fn recomputing_blocks_changes_no_gradient() {
    let trained = llama();
    let mut adapted = llama();
    attach(&mut *adapted, 0.5);
    for parameter in adapted.parameters_mut() {
        parameter.trainable = parameter.name.contains("lora_");
    }
    for network in [trained, adapted] {
        let (kept, again) = (gradients(&*network, false), gradients(&*network, true));
        assert!(!kept.is_empty());
        assert_eq!(kept.len(), again.len());
        for ((name, kept), (other, again)) in kept.iter().zip(&again) {
            assert_eq!(name, other);
            close(again, kept, 1e-5);
        }
    }
}

#[test]
fn an_adapter_comes_back_from_its_folder_as_it_was() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("adapter");
    let mut network = llama();
    for layer in network.linears_mut().into_iter().skip(7) {
        let [out, input] = layer.shape();
        let name = |part: &str| engraft_nets::peft::factor_name(layer.module(), part);
        let delta = Delta::LowRank {
            a: parameter(name("A"), 1.0, [2, input]),
            b: parameter(name("B"), 2.0, [out, 2]),
        };
        layer.attach("mine", 0.25, delta).expect("it fits");
    }
    let wanted = logits(&*network, &tokens(), &mut Taps::none());
    engraft_nets::save_adapter(&path, &*network, "base").expect("saved");
    let mut base = llama();
    engraft_nets::load_adapter(&path, &mut *base).expect("loaded");
    close(&logits(&*base, &tokens(), &mut Taps::none()), &wanted, 0.0);

    let mut other = gpt();
    let error = engraft_nets::load_adapter(&path, &mut *other).unwrap_err();
    assert!(error.to_string().contains("another base model"), "{error}");
    std::fs::write(path.join("adapter_config.json"), "{\"peft_type\": \"IA3\"}").unwrap();
    let error = engraft_nets::load_adapter(&path, &mut *base).unwrap_err();
    assert!(error.to_string().contains("IA3"), "{error}");
}
