//! The networks equal transformers on the same weights: logits, hidden states and attention maps.

use std::path::PathBuf;

use crate::support;
use burn::tensor::Device;
use engraft_method::parity::{self, Case, Check, ParityError};
use engraft_nets::{Batch, Input, Mode, Network, Taps, Value, from_config, load_folder, load_into};

/// Runs the network on the case's ids and fills in every output.
fn answer(case: &mut Case, network: &dyn Network) -> Result<(), ParityError> {
    let ids = case.input("ids")?;
    let shape = [ids.shape[0], ids.shape[1]];
    let ids: Vec<u32> = ids.i64().into_iter().map(|id| id as u32).collect();
    let batch = Batch {
        labels: vec![engraft_nets::IGNORE; ids.len()],
        samples: vec![0; shape[0]],
        input: Input::Tokens { ids, shape },
    };
    let blocks = network.capabilities().blocks;
    let mut taps = Taps {
        want_hidden: (0..blocks).collect(),
        want_attention: (0..blocks).collect(),
        ..Taps::none()
    };
    let signals = network.forward(&batch, Mode::Eval, &mut taps);
    case.output_f32("logits", &Value::R2(signals.logits.full()).to_vec());
    for (index, state) in &taps.hidden {
        case.output_f32(format!("hidden.{index}"), &state.to_vec());
    }
    for (index, map) in taps.attention {
        case.output_f32(format!("attention.{index}"), &Value::R4(map).to_vec());
    }
    Ok(())
}

/// A network of the case's own configuration and weights, through the file reader.
fn with_given_weights(case: &mut Case) -> Result<(), ParityError> {
    let fail = |error: &dyn std::fmt::Display| ParityError::Computation(error.to_string());
    let config = case.json("config")?.clone();
    let mut network = from_config(&config, &Device::flex()).map_err(|e| fail(&e))?;
    for parameter in network.parameters_mut() {
        let given = case.input(&format!("weights.{}", parameter.name))?;
        let numbers = given.f32();
        parameter.value = support::value(numbers, &given.shape);
    }
    // Through a file and back: what is compared went through our writer and reader.
    let folder = tempfile::tempdir().map_err(|e| fail(&e))?;
    let path = folder.path().join("model.safetensors");
    let bytes = engraft_nets::weights::serialize(&*network);
    std::fs::write(&path, bytes).map_err(|e| fail(&e))?;
    for parameter in network.parameters_mut() {
        parameter.value = parameter.holding(vec![0.0; parameter.value.len()]);
    }
    load_into(&mut *network, &path).map_err(|e| fail(&e))?;
    answer(case, &*network)
}

#[test]
fn parity_with_transformers_on_small_random_weights() {
    let checks = [Check {
        slug: "networks",
        kind: "causal_lm",
        run: with_given_weights,
    }];
    let report = parity::run(&parity::folder(), "networks", &checks).expect("readable cases");
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

fn stories() -> Option<PathBuf> {
    let data = PathBuf::from(std::env::var_os("ENGRAFT_DATA")?);
    Some(data.join("weights-stories260k")).filter(|folder| folder.exists())
}

fn trained_stories(case: &mut Case) -> Result<(), ParityError> {
    let folder = stories().expect("checked before");
    let loaded = load_folder(&folder, &Device::flex())
        .map_err(|error| ParityError::Computation(error.to_string()))?;
    answer(case, &*loaded.network)?;
    let told = support::greedy(&*loaded.network, vec![1], 24);
    case.output("greedy", told.into_iter().map(f64::from));
    Ok(())
}

/// Needs the trained weights, which are not part of this repository.
#[test]
fn parity_with_transformers_on_the_stories_llama() {
    if stories().is_none() {
        println!("did not run: set ENGRAFT_DATA to a folder that holds weights-stories260k");
        return;
    }
    let checks = [Check {
        slug: "stories260k",
        kind: "causal_lm",
        run: trained_stories,
    }];
    let report = parity::run(&parity::folder(), "stories260k", &checks).expect("readable cases");
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
