//! The tensors of an encoder by their plain names, whichever way its file spells them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Tensor, TensorData};

use engraft_files::safetensors::{Store, WeightsError};

/// One safetensors file.
pub(super) struct Weights {
    path: PathBuf,
    store: Store,
    /// Plain name to the name in the file; what is taken leaves.
    names: BTreeMap<String, String>,
}

impl Weights {
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let store = Store::open(path)?;
        let mut names = BTreeMap::new();
        for (name, _) in store.shapes() {
            if let Some(other) = names.insert(plain(name), name.to_owned()) {
                return Err(WeightsError::File {
                    path: path.to_owned(),
                    problem: format!(
                        "holds `{other}` and `{name}`, which mean the same tensor; remove one"
                    ),
                });
            }
        }
        Ok(Self {
            path: path.to_owned(),
            store,
            names,
        })
    }

    /// Takes a tensor that must be there, with this shape and finite numbers.
    pub fn take<const D: usize>(
        &mut self,
        plain: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, WeightsError> {
        let name = self.names.remove(plain);
        let found = name.and_then(|name| self.store.shapes().find(|(known, _)| *known == name));
        let Some((name, found)) = found else {
            return Err(WeightsError::Missing {
                path: self.path.clone(),
                tensor: plain.to_owned(),
            });
        };
        if found != shape {
            return Err(WeightsError::Tensor {
                path: self.path.clone(),
                tensor: name.to_owned(),
                problem: format!(
                    "has shape {found:?}, the model needs {shape:?}; check that config.json belongs to it"
                ),
            });
        }
        let data = TensorData::new(self.store.numbers(name)?, shape);
        Ok(Tensor::from_data(data, device))
    }

    /// Refuses a file of which the encoder left something: it then has more blocks than
    /// `config.json` says. Heads are not the encoder's, and positions are counted, not read.
    pub fn nothing_left(self) -> Result<(), WeightsError> {
        let of_encoder = |plain: &str| {
            let known = plain.starts_with("embeddings.") || plain.starts_with("encoder.");
            known && plain != "embeddings.position_ids"
        };
        match self.names.into_iter().find(|(plain, _)| of_encoder(plain)) {
            Some((_, tensor)) => Err(WeightsError::Unexpected {
                path: self.path,
                tensor,
            }),
            None => Ok(()),
        }
    }
}

/// A name without the prefix that models with heads have, and with the newer names of norms.
fn plain(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(norm), _) => format!("{norm}.weight"),
        (_, Some(norm)) => format!("{norm}.bias"),
        _ => name.to_owned(),
    }
}
