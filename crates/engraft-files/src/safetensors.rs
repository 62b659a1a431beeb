//! Weights in safetensors files: mapped, listed, and not trusted.

mod header;

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use serde_json::{Map, Value as Json, json};

pub use header::{Header, HeaderError, Listed, check_header};

use crate::{Extent, Format, Stored, atomic::WriteError, stored::let_go};

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
pub struct Store {
    path: PathBuf,
    maps: Vec<(PathBuf, Mmap)>,
    /// Name to (file, place).
    tensors: BTreeMap<String, (usize, Listed)>,
}

impl Store {
    /// One file, or a folder with `model.safetensors` or its index of shards.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
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
    pub fn extent(&self) -> Extent {
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
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, (_, listed))| (name.as_str(), &listed.shape[..]))
    }

    /// The only file, or the folder of several.
    pub fn file(&self) -> PathBuf {
        match &self.maps[..] {
            [(path, _)] => path.clone(),
            _ => self.path.clone(),
        }
    }

    /// Refuses a tensor that is none of these: the files belong to another model. A tied head may be
    /// stored beside the embedding it equals; counters of PyTorch are left alone.
    pub fn nothing_else(&self, known: &[&str]) -> Result<(), WeightsError> {
        let left_alone = |name: &str| {
            name.ends_with("num_batches_tracked")
                || name.ends_with("rotary_emb.inv_freq")
                || (name == "lm_head.weight" && !known.contains(&name))
        };
        let mut names = self.tensors.keys();
        match names.find(|name| !known.contains(&name.as_str()) && !left_alone(name)) {
            Some(name) => Err(WeightsError::Unexpected {
                path: self.file(),
                tensor: name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Gives back the memory of a tensor that was read; it can be read again.
    pub fn let_go(&self, name: &str) {
        if let Some((file, listed)) = self.tensors.get(name) {
            let_go(&self.maps[*file].1, listed.bytes.clone());
        }
    }

    /// A tensor as it lies in its file, if it is there.
    ///
    /// # Errors
    /// A number format that is none of a model's.
    pub fn stored<'a>(&'a self, name: &'a str) -> Result<Option<Stored<'a>>, WeightsError> {
        let Some((file, listed)) = self.tensors.get(name) else {
            return Ok(None);
        };
        let (path, map) = &self.maps[*file];
        let format = match listed.dtype.as_str() {
            "F32" => Format::F32,
            "F16" => Format::F16,
            "BF16" => Format::Bf16,
            other => {
                return Err(WeightsError::Tensor {
                    path: path.clone(),
                    tensor: name.to_owned(),
                    problem: format!("is {other}; convert it to F32, F16 or BF16"),
                });
            }
        };
        Ok(Some(Stored {
            path,
            name,
            shape: &listed.shape,
            format,
            bytes: &map[listed.bytes.clone()],
            pairs: None,
        }))
    }

    /// A tensor that must be there with this shape.
    pub fn needed<'a>(
        &'a self,
        name: &'a str,
        shape: &[usize],
    ) -> Result<Stored<'a>, WeightsError> {
        let stored = self.stored(name)?.ok_or_else(|| WeightsError::Missing {
            path: self.file(),
            tensor: name.to_owned(),
        })?;
        stored.with_shape(shape)
    }

    /// The numbers of a tensor that is there.
    ///
    /// # Panics
    /// If it is not.
    pub fn numbers(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let stored = self.stored(name)?;
        stored.expect("a name that was listed").numbers()
    }
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

/// Named tensors (name, shape, numbers) as one safetensors file, in this order.
pub fn pack(tensors: impl IntoIterator<Item = (String, Vec<usize>, Vec<f32>)>) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut data: Vec<u8> = Vec::new();
    for (name, shape, numbers) in tensors {
        let start = data.len();
        data.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        let place = json!({
            "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()],
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
