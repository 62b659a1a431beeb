#![no_main]
//! Any bytes as a weight file: the network gets all it needs, or an error that names the file and
//! nothing.

use std::{path::PathBuf, sync::LazyLock};

use engraft_nets::{
    Network, content_hash, from_config, load_into,
    files::safetensors::check_header, weights::serialize,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for one file").keep();
    folder.join("weights.safetensors")
});

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // Header and data by themselves, so that a change of the header keeps its length right.
    if let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
        let length = (end as u64).to_le_bytes();
        read(&[&length, &bytes[..end], &bytes[end + 1..]].concat());
    }
});

fn read(bytes: &[u8]) {
    if let Ok(header) = check_header(bytes) {
        let listed = header.tensors.values();
        let total: usize = listed.map(|listed| bytes[listed.bytes.clone()].len()).sum();
        assert!(total <= bytes.len(), "tensors overlap");
    }
    std::fs::write(&*FILE, bytes).expect("a small file");
    let mut network = tiny();
    let fresh = content_hash(&*network);
    match load_into(&mut *network, &FILE) {
        Ok(()) => {
            let loaded = content_hash(&*network);
            std::fs::write(&*FILE, serialize(&*network)).expect("a small file");
            let mut again = tiny();
            load_into(&mut *again, &FILE).expect("our own file");
            assert_eq!(content_hash(&*again), loaded);
        }
        Err(error) => {
            assert_eq!(content_hash(&*network), fresh, "half filled");
            assert!(error.to_string().contains("weights.safetensors"));
        }
    }
}

/// Two layers: tensors of `[1, 2]`, `[1]`, `[2, 1]` and `[2]`.
fn tiny() -> Box<dyn Network> {
    let config = json!({ "model_type": "engraft-mlp", "widths": [1], "input": 2, "classes": 2 });
    let device = engraft::device::parse("cpu").expect("always there");
    from_config(&config, &device).expect("a description of our own")
}
