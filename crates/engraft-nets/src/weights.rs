//! Weights in safetensors files: checked tensor by tensor before anything changes.

use std::path::Path;

use engraft_files::safetensors::{Store, WeightsError, pack};

use crate::{Network, Parameter, Value};

/// Fills a network from a file or a model folder. On an error the network is unchanged.
///
/// Every parameter must be there with its shape, nothing else may be; a tied head may be stored
/// beside the embedding it equals, and batch counters of PyTorch are left alone.
pub fn load_into(network: &mut dyn Network, path: &Path) -> Result<(), WeightsError> {
    let store = Store::open(path)?;
    let mut values = Vec::new();
    for parameter in network.parameters() {
        values.push(read(&store, parameter)?);
    }
    let known: Vec<&str> = network
        .parameters()
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    store.nothing_else(&known)?;
    for (parameter, value) in network.parameters_mut().into_iter().zip(values) {
        parameter.value = value;
    }
    Ok(())
}

fn read(store: &Store, parameter: &Parameter) -> Result<Value, WeightsError> {
    let stored = store.needed(&parameter.name, &parameter.value.dims())?;
    Ok(parameter.holding(stored.numbers()?))
}

/// A network's parameters as one safetensors file, names in the order of the network.
pub fn serialize(network: &dyn Network) -> Vec<u8> {
    let parameters = network.parameters().into_iter();
    pack(parameters.map(|parameter| {
        let value = &parameter.value;
        (parameter.name.clone(), value.dims(), value.to_vec())
    }))
}

fn bytes(value: &Value) -> Vec<u8> {
    let numbers = value.to_vec();
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Hash of names, shapes and numbers: equal for equal models, wherever they are stored.
pub fn content_hash(network: &dyn Network) -> String {
    let mut hasher = blake3::Hasher::new();
    for parameter in network.parameters() {
        hasher.update(format!("{} {:?}\n", parameter.name, parameter.value.dims()).as_bytes());
        hasher.update(&bytes(&parameter.value));
    }
    hasher.finalize().to_hex().to_string()
}
