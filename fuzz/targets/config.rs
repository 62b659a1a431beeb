#![no_main]
//! Any bytes as a `config.json`, alone and in a model folder: no network, or one of a size that
//! its weight file allows and that its own description gives again.

use std::{path::PathBuf, sync::LazyLock};

use engraft_nets::{
    Tokenizer, content_hash, from_config, keep_layers, load_folder, save_folder,
    Extent, spec::from_config_of,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// A whole model; only its `config.json` changes.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let config = json!({
        "model_type": "engraft-gpt", "vocab_size": 5, "n_layer": 2, "n_embd": 2, "n_head": 1,
        "n_positions": 3, "n_inner": 4, "tie_word_embeddings": true,
    });
    let device = engraft::device::parse("cpu").expect("always there");
    let network = from_config(&config, &device).expect("a description of our own");
    let folder = tempfile::tempdir().expect("a folder").keep().join("model");
    let tokenizer = Tokenizer::words(["a b"].into_iter());
    save_folder(&folder, &*network, Some(&tokenizer)).expect("a model folder");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let device = engraft::device::parse("cpu").expect("always there");
    let make = |config: &Value| from_config_of(config, Extent::default(), &device);
    if let Ok(config) = serde_json::from_slice::<Value>(bytes)
        && let Ok(network) = make(&config)
    {
        let again = make(&network.config()).expect("a description of our own");
        assert_eq!(content_hash(&*network), content_hash(&*again));
        if let Ok(smaller) = keep_layers(&*network, &[0]) {
            assert_eq!(smaller.capabilities().blocks, 1);
        }
    }
    std::fs::write(FOLDER.join("config.json"), bytes).expect("a small file");
    if let Err(error) = load_folder(&FOLDER, &device) {
        let folder = FOLDER.to_string_lossy();
        assert!(error.to_string().contains(&*folder), "{error}");
    }
});
