//! Weights in safetensors files: checked tensor by tensor before anything changes.

mod header;

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use memmap2::Mmap;
use serde_json::{Map, Value as Json, json};

pub use header::{Header, HeaderError, Listed, check_header};

use crate::{Network, Parameter, Value, files::WriteError, spec::Extent};

/// Why weights could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error("{}: tensor `{tensor}` {problem}", path.display())]
    Tensor {
        path: PathBuf,
        tensor: String,
        problem: String,
    },
    #[error("{}: the tensor `{tensor}` is missing; the file belongs to another model", path.display())]
    Missing { path: PathBuf, tensor: String },
    #[error(
        "{}: the tensor `{tensor}` belongs to no parameter of the model; the file belongs to another model",
        path.display()
    )]
    Unexpected { path: PathBuf, tensor: String },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Safetensors files mapped into memory, all tensors listed.
pub(crate) struct Store {
    path: PathBuf,
    maps: Vec<(PathBuf, Mmap)>,
    /// Name to (file, place).
    tensors: BTreeMap<String, (usize, Listed)>,
}

impl Store {
    /// One file, or a folder with `model.safetensors` or its index of shards.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let mut store = Self {
            path: path.to_owned(),
            maps: Vec::new(),
            tensors: BTreeMap::new(),
        };
        for file in shards(path)? {
            store.map(&file)?;
        }
        Ok(store)
    }

    /// What the files hold, tensors of any type counted.
    pub(crate) fn extent(&self) -> Extent {
        let numbers = |(_, listed): &(usize, Listed)| -> f64 {
            listed.shape.iter().map(|&length| length as f64).product()
        };
        Extent {
            tensors: self.tensors.len() as f64,
            numbers: self.tensors.values().map(numbers).sum(),
        }
    }

    fn map(&mut self, path: &Path) -> Result<(), WeightsError> {
        let fail = |problem: String| WeightsError::File {
            path: path.to_owned(),
            problem,
        };
        let file = File::open(path).map_err(|error| {
            fail(format!(
                "cannot be opened ({error}); a model folder holds its weights as safetensors"
            ))
        })?;
        // SAFETY: the map is only read; a file that another process truncates while it is read is
        // the one case nobody can guard against, and it ends this process, not the file.
        let map = unsafe { Mmap::map(&file) }
            .map_err(|error| fail(format!("cannot be mapped: {error}")))?;
        let header = check_header(&map).map_err(|error| fail(error.to_string()))?;
        for (name, listed) in header.tensors {
            if self
                .tensors
                .insert(name.clone(), (self.maps.len(), listed))
                .is_some()
            {
                return Err(fail(format!(
                    "tensor `{name}` stands in two shards; remove one"
                )));
            }
        }
        self.maps.push((path.to_owned(), map));
        Ok(())
    }

    /// Names and shapes of all tensors, by name.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, (_, listed))| (name.as_str(), &listed.shape[..]))
    }

    /// The only file, or the folder of several.
    fn file(&self) -> PathBuf {
        match &self.maps[..] {
            [(path, _)] => path.clone(),
            _ => self.path.clone(),
        }
    }

    /// The numbers of a tensor that is there.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let (file, listed) = &self.tensors[name];
        let (path, map) = &self.maps[*file];
        let bytes = &map[listed.bytes.clone()];
        let fail = |problem: String| WeightsError::Tensor {
            path: path.clone(),
            tensor: name.to_owned(),
            problem,
        };
        let numbers: Vec<f32> = match listed.dtype.as_str() {
            "F32" => decode(bytes, f32::from_le_bytes),
            "F16" => decode(bytes, |b| f16::from_le_bytes(b).to_f32()),
            "BF16" => decode(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            other => return Err(fail(format!("is {other}; convert it to F32, F16 or BF16"))),
        };
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(at) => Err(fail(format!(
                "holds {} at place {at}; the training that made it diverged",
                numbers[at]
            ))),
            None => Ok(numbers),
        }
    }
}

fn decode<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .chunks_exact(N)
        .map(|chunk| read(chunk.try_into().expect("chunks of that length")))
        .collect()
}

fn shards(path: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let index = path.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![path.join("model.safetensors")]);
    }
    let fail = |problem: String| WeightsError::File {
        path: index.clone(),
        problem,
    };
    let text = std::fs::read(&index).map_err(|error| fail(error.to_string()))?;
    let json: Json = serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
    let map = json["weight_map"]
        .as_object()
        .ok_or_else(|| fail("has no `weight_map`".to_owned()))?;
    let mut files: Vec<&str> = map.values().filter_map(Json::as_str).collect();
    files.sort_unstable();
    files.dedup();
    if let Some(outside) = files.iter().find(|file| file.contains(['/', '\\'])) {
        return Err(fail(format!(
            "names `{outside}`, which is outside the folder"
        )));
    }
    Ok(files.into_iter().map(|file| path.join(file)).collect())
}

/// Fills a network from a file or a model folder. On an error the network is unchanged.
///
/// Every parameter must be there with its shape, nothing else may be; a tied head may be stored
/// beside the embedding it equals, and batch counters of PyTorch are left alone.
pub fn load_into(network: &mut dyn Network, path: &Path) -> Result<(), WeightsError> {
    fill(network, &Store::open(path)?)
}

/// As [`load_into`], from files that are open.
pub(crate) fn fill(network: &mut dyn Network, store: &Store) -> Result<(), WeightsError> {
    let mut values = Vec::new();
    for parameter in network.parameters() {
        values.push(read(store, parameter)?);
    }
    let known: Vec<&str> = network
        .parameters()
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    let left_alone = |name: &str| {
        name.ends_with("num_batches_tracked")
            || name.ends_with("rotary_emb.inv_freq")
            || (name == "lm_head.weight" && known.iter().all(|known| *known != name))
    };
    if let Some(name) = store
        .tensors
        .keys()
        .find(|name| !known.contains(&name.as_str()) && !left_alone(name))
    {
        return Err(WeightsError::Unexpected {
            path: store.file(),
            tensor: name.clone(),
        });
    }
    for (parameter, value) in network.parameters_mut().into_iter().zip(values) {
        parameter.value = value;
    }
    Ok(())
}

fn read(store: &Store, parameter: &Parameter) -> Result<Value, WeightsError> {
    let name = &parameter.name;
    let Some((file, listed)) = store.tensors.get(name) else {
        return Err(WeightsError::Missing {
            path: store.file(),
            tensor: name.clone(),
        });
    };
    let shape = parameter.value.dims();
    if listed.shape != shape {
        return Err(WeightsError::Tensor {
            path: store.maps[*file].0.clone(),
            tensor: name.clone(),
            problem: format!(
                "has shape {:?}, the model needs {shape:?}; check that config.json belongs to it",
                listed.shape
            ),
        });
    }
    Ok(parameter.holding(store.numbers(name)?))
}

/// A network's parameters as one safetensors file, names in the order of the network.
pub fn serialize(network: &dyn Network) -> Vec<u8> {
    let parameters = network.parameters().into_iter();
    pack(parameters.map(|parameter| (parameter.name.clone(), &parameter.value)))
}

/// Named values as one safetensors file, in this order.
pub(crate) fn pack<'v>(values: impl IntoIterator<Item = (String, &'v Value)>) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut data: Vec<u8> = Vec::new();
    for (name, value) in values {
        let start = data.len();
        data.extend(bytes(value));
        let place = json!({
            "dtype": "F32", "shape": value.dims(), "data_offsets": [start, data.len()],
        });
        header.insert(name, place);
    }
    let mut text = Json::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend(text);
    file.extend(data);
    file
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
