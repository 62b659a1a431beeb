//! Logits of a model folder (and an adapter) for token ids, for `bench/interop`.
//!
//! `logits FOLDER ADAPTER ID ID ...` prints a line of JSON numbers a position; `-` stands for no
//! adapter.

use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use engraft::nets::{self, Batch, IGNORE, Input, Mode, Taps, load_adapter, load_folder};

fn main() -> Result<()> {
    engraft::machine::join_pool();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, adapter, ids @ ..] = &words[..] else {
        bail!("give a folder, an adapter or -, and token ids");
    };
    let mut network = load_folder(Path::new(folder), &Device::flex())?.network;
    if adapter != "-" {
        load_adapter(Path::new(adapter), &mut *network)?;
    }
    let ids = ids.iter().map(|id| id.parse().context("a token id"));
    let ids: Vec<u32> = ids.collect::<Result<_>>()?;
    let batch = Batch {
        labels: vec![IGNORE; ids.len()],
        samples: vec![0],
        input: Input::Tokens {
            shape: [1, ids.len()],
            ids,
        },
    };
    let logits = network
        .forward(&batch, Mode::Eval, &mut Taps::none())
        .logits;
    let [_, vocab] = logits.clone().full().dims();
    let numbers = nets::Value::R2(logits.full()).to_vec();
    for row in numbers.chunks(vocab) {
        println!("{}", serde_json::to_string(row)?);
    }
    Ok(())
}
