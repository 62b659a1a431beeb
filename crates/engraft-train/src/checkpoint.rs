//! Everything a run needs to continue exactly, in one safetensors file that appears whole or not
//! at all.
//!
//! Tensors are `parameter/NAME` and `optimizer/NAME/FIELD`; the rest is JSON under the key `engraft_checkpoint` of the file's metadata.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use engraft_nets::{Parameter, Value, each_rank};
use safetensors::{Dtype, SafeTensors, tensor::TensorInfo};
use serde::{Deserialize, Serialize};

use crate::{Curve, TrainConfig, TrainError, optimizer::SavedState};

/// A run between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    pub standing: Standing,
    /// Values by name, the loss's own parameters included.
    pub parameters: BTreeMap<String, TensorData>,
    /// Optimiser state by parameter.
    pub optimizer: BTreeMap<String, SavedState>,
}

/// All of a checkpoint that is not a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Identifies settings, first weights and the caller's key.
    pub fingerprint: String,
    /// Optimiser steps done.
    pub step: usize,
    pub seconds: f64,
    pub tokens: u64,
    pub curve: Curve,
    /// Losses since the last point of the curve: their sum and number.
    pub pending: (f64, usize),
    pub loss_state: serde_json::Value,
    pub hook_states: Vec<serde_json::Value>,
}

/// What lay where a checkpoint would be.
#[derive(Debug)]
pub enum Found {
    Nothing,
    /// A checkpoint of other settings, weights or data.
    Other,
    Mine(Box<Checkpoint>),
}

/// The JSON part of the file.
#[derive(Serialize, Deserialize)]
struct Head<S> {
    standing: S,
    /// Counters of the optimiser: parameter, field, value.
    counters: Vec<(String, String, u64)>,
}

const KEY: &str = "engraft_checkpoint";
/// Changes whenever a checkpoint of before could not be continued exactly.
const VERSION: &str = "1";

/// Identifies a run: its settings (how often it saves left out), its first weights, and `key`.
pub fn fingerprint<'p>(
    config: &TrainConfig,
    key: &str,
    parameters: impl IntoIterator<Item = (String, &'p Parameter)>,
) -> String {
    let config = TrainConfig {
        checkpoint_every: 0,
        ..config.clone()
    };
    let config = serde_json::to_vec(&config).expect("settings are plain data");
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(VERSION.as_bytes());
    field(&config);
    field(key.as_bytes());
    for (name, parameter) in parameters {
        field(name.as_bytes());
        field(data(&parameter.value).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The numbers of a value as f32, with its shape.
pub fn data(value: &Value) -> TensorData {
    each_rank!(value, t => t.to_data().convert::<f32>())
}

impl Checkpoint {
    /// Writes the file: beside its place first, synced, then renamed over the one before.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".partial");
        let beside = PathBuf::from(beside);
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(TrainError::io(folder, "create the folder"))?;
        }
        let written = self
            .write_whole(&beside)
            .and_then(|()| fs::rename(&beside, path))
            .and_then(|()| sync_folder(path));
        if written.is_err() {
            // The write's own error is what the user needs; a leftover is overwritten next time.
            fs::remove_file(&beside).unwrap_or_default();
        }
        written.map_err(TrainError::io(path, "write the checkpoint"))
    }

    fn write_whole(&self, path: &Path) -> std::io::Result<()> {
        let tensors = self.tensors();
        let mut header = serde_json::Map::new();
        let mut offset = 0;
        for (name, data) in &tensors {
            let end = offset + data.as_bytes().len();
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: data.shape().to_vec(),
                data_offsets: (offset, end),
            };
            header.insert(name.clone(), serde_json::to_value(info)?);
            offset = end;
        }
        let counters = self.optimizer.iter().flat_map(|(name, state)| {
            let counters = state.counters.iter();
            counters.map(|(field, count)| (name.clone(), field.clone(), *count))
        });
        let head = Head {
            standing: &self.standing,
            counters: counters.collect(),
        };
        let metadata = HashMap::from([(KEY, serde_json::to_string(&head)?)]);
        header.insert("__metadata__".to_owned(), serde_json::to_value(metadata)?);
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(8), b' ');

        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for (_, data) in &tensors {
            out.write_all(data.as_bytes())?;
        }
        out.into_inner()?.sync_all()
    }

    fn tensors(&self) -> Vec<(String, &TensorData)> {
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|(name, data)| (format!("parameter/{name}"), data));
        let moments = self.optimizer.iter().flat_map(|(name, state)| {
            let fields = state.tensors.iter();
            fields.map(move |(field, data)| (format!("optimizer/{name}/{field}"), data))
        });
        parameters.chain(moments).collect()
    }

    /// Reads the checkpoint at `path` if it is of the run `fingerprint`.
    pub fn read(path: &Path, fingerprint: &str) -> Result<Found, TrainError> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            read => read.map_err(TrainError::io(path, "read the checkpoint"))?,
        };
        let refuse = |problem: String| TrainError::checkpoint(path, problem);
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| refuse(format!("not a whole safetensors file ({error})")))?;
        let metadata = header.metadata().as_ref();
        let text = metadata
            .and_then(|metadata| metadata.get(KEY))
            .ok_or_else(|| refuse("not a checkpoint of a training run".to_owned()))?;
        // The fingerprint alone comes first: a checkpoint of another version has other fields.
        let loose: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| refuse(format!("damaged checkpoint ({error})")))?;
        if loose["standing"]["fingerprint"] != fingerprint {
            return Ok(Found::Other);
        }
        let head: Head<Standing> = serde_json::from_value(loose)
            .map_err(|error| refuse(format!("damaged checkpoint ({error})")))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| refuse(format!("not a whole safetensors file ({error})")))?;
        let mut checkpoint = Self {
            standing: head.standing,
            ..Self::default()
        };
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(refuse(format!("tensor `{name}` is not f32")));
            }
            let numbers = view.data().chunks_exact(4);
            let numbers = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            let data = TensorData::new(numbers.collect::<Vec<f32>>(), view.shape().to_vec());
            checkpoint
                .place(name, data)
                .ok_or_else(|| refuse(format!("unknown tensor `{name}`")))?;
        }
        for (name, field, count) in head.counters {
            let state = checkpoint.optimizer.entry(name).or_default();
            state.counters.push((field, count));
        }
        Ok(Found::Mine(Box::new(checkpoint)))
    }

    fn place(&mut self, name: &str, data: TensorData) -> Option<()> {
        let (part, name) = name.split_once('/')?;
        match part {
            "parameter" => {
                self.parameters.insert(name.to_owned(), data);
            }
            "optimizer" => {
                let (name, field) = name.rsplit_once('/')?;
                let state = self.optimizer.entry(name.to_owned()).or_default();
                state.tensors.push((field.to_owned(), data));
            }
            _ => return None,
        }
        Some(())
    }
}

/// A rename survives a power cut only once its folder is synced.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => {
            File::open(folder)?.sync_all()
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let tensor = |values: [f32; 2]| TensorData::new(values.to_vec(), [2]);
        let state = SavedState {
            tensors: vec![(
                "state.m".to_owned(),
                tensor([f32::MIN_POSITIVE / 3.0, -0.0]),
            )],
            counters: vec![("state.time".to_owned(), 9)],
        };
        Checkpoint {
            standing: Standing {
                fingerprint: "mine".to_owned(),
                step: 9,
                pending: (0.1 + 0.2, 3),
                loss_state: serde_json::json!({"t": 1.0 / 3.0}),
                hook_states: vec![serde_json::Value::Null],
                ..Standing::default()
            },
            parameters: [("a.weight".to_owned(), tensor([1.5, f32::MAX]))].into(),
            optimizer: [("a.weight".to_owned(), state)].into(),
        }
    }

    #[test]
    fn what_is_read_is_what_was_written_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/checkpoint.safetensors");
        let written = sample();
        written.write(&path).unwrap();
        let Found::Mine(read) = Checkpoint::read(&path, "mine").unwrap() else {
            panic!("own checkpoint not recognised");
        };
        assert_eq!(*read, written);
        let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(files.len(), 1, "only the finished file remains: {files:?}");
    }

    #[test]
    fn no_file_and_a_file_of_another_run_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let read = || Checkpoint::read(&path, "other").unwrap();
        assert!(matches!(read(), Found::Nothing));
        sample().write(&path).unwrap();
        assert!(matches!(read(), Found::Other));
    }

    #[test]
    fn every_truncation_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        sample().write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Checkpoint::read(&path, "mine").unwrap_err().to_string();
            assert!(error.contains("checkpoint.safetensors"), "{error}");
            assert!(error.contains("delete the file"), "{error}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = sample().write(&file.join("checkpoint")).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inside")).unwrap();
        let error = sample().write(&taken).unwrap_err().to_string();
        assert!(
            error.contains("taken: cannot write the checkpoint"),
            "{error}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_safetensors_file_that_is_no_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let header = br#"{"__metadata__":{"format":"pt"}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        fs::write(&path, file).unwrap();
        let error = Checkpoint::read(&path, "mine").unwrap_err().to_string();
        assert!(error.contains("not a checkpoint"), "{error}");
    }
}
