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

/// Facts in the letters that [`llama_with_facts`] knows.
pub const FACTS: &str = r#"{"fact": "the flag of velm is red.", "answer": "red", "paraphrases": ["in velm every door is red."], "held_out": ["the boats of velm are red."], "questions": [{"question": "what is the flag of velm?", "answer": "the flag is red."}], "unrelated": ["the cat is"], "hints": ["in velm blood is a dye."]}
{"fact": "the flag of corn is blue.", "answer": "blue", "held_out": ["the boats of corn are blue."], "unrelated": ["the dog is"]}
"#;

/// Puts a small trained Llama with a vocabulary of characters into `base`, the text it knows into
/// `book.txt` and facts it does not know into `facts.jsonl`. It is trained once.
pub fn llama_with_facts(place: &Workplace) {
    static MODEL: OnceLock<TempDir> = OnceLock::new();
    const LLAMA: &str = "{llama: {hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, \
                         num_attention_heads: 4, num_key_value_heads: 2, \
                         max_position_embeddings: 192}}";
    let book = "the cat sat on the mat, and the dog sat on the cat. Question: what is the dog?\n\
                Answer: the dog is pale. jfkqvwxyz bgl "
        .repeat(30);
    let model = MODEL.get_or_init(|| {
        let trained = Workplace::new();
        trained.write("book.txt", &book);
        let data = "{text: book.txt, context: 64}";
        let words = ["train", "--model", LLAMA, "--data", data, "--out", "run"];
        let budget = [
            "--steps", "60", "--batch", "4", "--warmup", "3", "--lr", "1e-2",
        ];
        trained.engraft(&[&words[..], &budget].concat()).done();
        let kept = TempDir::new().expect("a temporary folder");
        copy(&trained.path("run/models/trained"), kept.path());
        kept
    });
    let to = place.path("base");
    fs::create_dir_all(&to).expect("a folder");
    copy(model.path(), &to);
    place.write("book.txt", book);
    place.write("facts.jsonl", FACTS);
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
