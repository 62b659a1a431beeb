//! A trained model to start from, and its weight file taken apart.

use std::{fs, sync::OnceLock};

use serde_json::Value;
use tempfile::TempDir;

use super::{TINY_GPT, Workplace, records};

/// Copies a small trained language model to `folder` of a workplace. It is trained once.
pub fn trained_model(place: &Workplace, folder: &str) {
    static MODEL: OnceLock<TempDir> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let trained = Workplace::new();
        trained.write("houses.jsonl", records(12));
        let words = [
            "train",
            "--model",
            TINY_GPT,
            "--data",
            "houses.jsonl",
            "--out",
            "run",
        ];
        let budget = [
            "--steps", "30", "--batch", "4", "--warmup", "3", "--lr", "1e-2",
        ];
        trained.engraft(&[&words[..], &budget].concat()).done();
        let kept = TempDir::new().expect("a temporary folder");
        copy(&trained.path("run/models/trained"), kept.path());
        kept
    });
    let to = place.path(folder);
    fs::create_dir_all(&to).expect("a folder");
    copy(model.path(), &to);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// A safetensors file: its header and the numbers after it.
pub struct Weights {
    pub header: Value,
    pub data: Vec<u8>,
}

impl Weights {
    pub fn read(place: &Workplace, file: &str) -> Self {
        let bytes = fs::read(place.path(file)).expect("a weight file");
        let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
        let length = u64::from_le_bytes(*length) as usize;
        Self {
            header: serde_json::from_slice(&rest[..length]).expect("a JSON header"),
            data: rest[length..].to_vec(),
        }
    }

    pub fn write(&self, place: &Workplace, file: &str) {
        let header = self.header.to_string().into_bytes();
        let length = (header.len() as u64).to_le_bytes();
        place.write(file, [&length[..], &header, &self.data].concat());
    }
}
