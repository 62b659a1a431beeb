//! GGUF model files: one file with metadata, tokenizer and (quantised) weights of the Llama family.

mod container;
mod metadata;
mod vocabulary;

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use serde_json::Value as Json;

use crate::{Extent, Stored, Tokenizer, stored::let_go};
use container::Container;

/// Why a GGUF file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct GgufError {
    path: PathBuf,
    problem: String,
}

impl GgufError {
    fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// A file mapped into memory, its frame checked.
pub struct Gguf {
    path: PathBuf,
    map: Mmap,
    container: Container,
    config: Json,
}

impl Gguf {
    /// Opens a file and reads everything but its numbers.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let fail = |problem: String| GgufError::new(path, problem);
        let file = File::open(path).map_err(|error| fail(format!("cannot be opened: {error}")))?;
        // SAFETY: the map is only read; a file that another process truncates while it is read is
        // the one case nobody can guard against, and it ends this process, not the file.
        let map = unsafe { Mmap::map(&file) };
        let map = map.map_err(|error| fail(format!("cannot be mapped: {error}")))?;
        let container = container::read(&map).map_err(fail)?;
        let config = metadata::config(&container).map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            map,
            container,
            config,
        })
    }

    /// The `config.json` that the metadata amounts to.
    pub fn config(&self) -> &Json {
        &self.config
    }

    /// What the file holds.
    pub fn extent(&self) -> Extent {
        let tensors = &self.container.tensors;
        Extent {
            tensors: tensors.len() as f64,
            numbers: tensors.values().map(|t| t.numbers() as f64).sum(),
        }
    }

    /// The tokenizer inside the file.
    pub fn tokenizer(&self) -> Result<Tokenizer, GgufError> {
        let tokenizer = vocabulary::tokenizer(&self.path, &self.container);
        tokenizer.map_err(|problem| GgufError::new(&self.path, problem))
    }

    /// The tensor that a parameter is stored in, by its Hugging Face name; `None` if there is none.
    pub fn stored(&self, parameter: &str) -> Option<Stored<'_>> {
        let (name, listed) = self
            .container
            .tensors
            .get_key_value(&metadata::name(parameter)?)?;
        let interleaved = metadata::architecture(&self.container) == Some("llama");
        let heads = |key: &str| Some(self.config[key].as_u64().unwrap_or(1) as usize);
        let pairs = match interleaved {
            true if parameter.contains(".q_proj.") => heads("num_attention_heads"),
            true if parameter.contains(".k_proj.") => heads("num_key_value_heads"),
            _ => None,
        };
        // Another number of rows belongs to no such model; whoever needs the tensor is told so.
        let rows = listed.shape.first().copied().unwrap_or(0);
        let fit = |heads: &usize| {
            heads
                .checked_mul(2)
                .is_some_and(|two| rows.is_multiple_of(two))
        };
        let pairs = pairs.filter(fit);
        Some(Stored {
            path: &self.path,
            name,
            shape: &listed.shape,
            format: listed.format,
            bytes: &self.map[listed.bytes.clone()],
            pairs,
        })
    }

    /// Gives back the memory of a parameter that was read; it can be read again.
    pub fn let_go(&self, parameter: &str) {
        let name = metadata::name(parameter);
        if let Some(listed) = name.and_then(|name| self.container.tensors.get(&name)) {
            let_go(&self.map, listed.bytes.clone());
        }
    }

    /// The same of a parameter that must be there with this shape.
    pub fn needed(&self, parameter: &str, shape: &[usize]) -> Result<Stored<'_>, GgufError> {
        let fail = |problem: String| GgufError::new(&self.path, problem);
        let name = metadata::name(parameter)
            .ok_or_else(|| fail(format!("the format has no place for `{parameter}`")))?;
        let stored = self
            .stored(parameter)
            .ok_or_else(|| fail(format!("the tensor `{name}` is missing")))?;
        match stored.shape == shape {
            true => Ok(stored),
            false => Err(fail(format!(
                "the tensor `{name}` has shape {:?}, the metadata say {shape:?}",
                stored.shape
            ))),
        }
    }

    /// Refuses a tensor that none of these parameters is stored in: it would change what the model
    /// computes.
    pub fn nothing_else(&self, known: &[&str]) -> Result<(), GgufError> {
        let known: BTreeSet<_> = known
            .iter()
            .filter_map(|known| metadata::name(known))
            .collect();
        match self
            .container
            .tensors
            .keys()
            .find(|name| !known.contains(*name))
        {
            Some(name) => Err(GgufError::new(
                &self.path,
                format!("the tensor `{name}` is none that its architecture has here"),
            )),
            None => Ok(()),
        }
    }
}

/// Whether a path is such a file, by its name.
pub fn is_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "gguf")
}

#[cfg(test)]
mod tests {
    use super::{container::tests::file, *};

    #[test]
    fn heads_that_do_not_divide_the_rows_end_in_the_error_about_the_shape() {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let count = |key, count: u32| (key, 4, count.to_le_bytes().to_vec());
        let no_tokens = [&8u32.to_le_bytes()[..], &0u64.to_le_bytes()].concat();
        let metadata = [
            ("general.architecture", 8, text("llama")),
            count("llama.embedding_length", 8),
            count("llama.feed_forward_length", 8),
            count("llama.block_count", 1),
            count("llama.context_length", 8),
            count("llama.attention.head_count", 4),
            ("tokenizer.ggml.tokens", 9, no_tokens),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        let parameter = "model.layers.0.self_attn.q_proj.weight";
        for rows in [0, 1, 3, 4, 12] {
            let bytes = file(&metadata, &[("blk.0.attn_q.weight", [8, rows], 0, 0)]);
            std::fs::write(&path, bytes).unwrap();
            let gguf = Gguf::open(&path).unwrap();
            let stored = gguf.stored(parameter).unwrap();
            assert_eq!(stored.numbers().unwrap().len(), 8 * rows as usize);
            let error = gguf.needed(parameter, &[8, 8]).unwrap_err().to_string();
            assert!(
                error.contains("x.gguf") && error.contains("shape"),
                "{error}"
            );
        }
    }
}
