//! Weights as other programs write them: in shards, in half precision, with what a model need not have.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{close, gpt, llama, logits, network, tokens};
use burn::tensor::Device;
use engraft_nets::{
    Network, Taps, Tokenizer, Value, from_config, load_folder, load_into, save_folder,
};
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

/// Every number of a network, by name.
fn numbers(network: &dyn Network) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let parameters = network.parameters().into_iter();
    let parts = parameters.map(|p| (p.name.clone(), p.value.dims(), p.value.to_vec()));
    parts.collect()
}

fn write(path: &Path, tensors: &[(String, Vec<usize>, Vec<u8>)], dtype: Dtype) {
    let views: BTreeMap<&str, TensorView<'_>> = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(dtype, shape.clone(), bytes).expect("a whole tensor");
            (name.as_str(), view)
        })
        .collect();
    safetensors::serialize_to_file(views, None, path).expect("a folder to write to");
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The same network with every number 0.
fn emptied(mut network: Box<dyn Network>) -> Box<dyn Network> {
    for parameter in network.parameters_mut() {
        parameter.value = parameter.holding(vec![0.0; parameter.value.len()]);
    }
    network
}

#[test]
fn shards_are_found_through_their_index() {
    let given = llama();
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<_> = numbers(&*given)
        .into_iter()
        .map(|(name, shape, numbers)| (name, shape, bytes(&numbers)))
        .collect();
    let (first, second) = all.split_at(all.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, part) in [("a.safetensors", first), ("b.safetensors", second)] {
        write(&folder.path().join(file), part, Dtype::F32);
        map.extend(part.iter().map(|(name, ..)| (name.clone(), file.into())));
    }
    let index = serde_json::json!({ "weight_map": map });
    let path = folder.path().join("model.safetensors.index.json");
    std::fs::write(&path, index.to_string()).unwrap();
    let mut loaded = emptied(llama());
    load_into(&mut *loaded, folder.path()).unwrap();
    assert_eq!(numbers(&*loaded), numbers(&*given));

    let outside = serde_json::json!({ "weight_map": { "x": "../b.safetensors" } });
    std::fs::write(&path, outside.to_string()).unwrap();
    let error = load_into(&mut *loaded, folder.path()).unwrap_err();
    assert!(error.to_string().contains("outside the folder"), "{error}");
}

#[test]
fn half_precision_is_read_as_what_it_says() {
    let given = gpt();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    type Encode = fn(f32) -> ([u8; 2], f32);
    let encodings: [(Dtype, Encode); 2] = [
        (Dtype::F16, |x| {
            let half = f16::from_f32(x);
            (half.to_le_bytes(), half.to_f32())
        }),
        (Dtype::BF16, |x| {
            let half = bf16::from_f32(x);
            (half.to_le_bytes(), half.to_f32())
        }),
    ];
    for (dtype, encode) in encodings {
        let (mut tensors, mut wanted) = (Vec::new(), Vec::new());
        for (name, shape, numbers) in numbers(&*given) {
            let pairs: Vec<_> = numbers.iter().map(|&x| encode(x)).collect();
            let bytes = pairs.iter().flat_map(|(bytes, _)| *bytes).collect();
            tensors.push((name.clone(), shape.clone(), bytes));
            wanted.push((name, shape, pairs.iter().map(|(_, x)| *x).collect()));
        }
        write(&path, &tensors, dtype);
        let mut loaded = emptied(gpt());
        load_into(&mut *loaded, &path).unwrap();
        assert_eq!(numbers(&*loaded), wanted);
    }
}

#[test]
fn a_stored_head_that_is_tied_is_left_alone_and_an_untied_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let sized = |tied: bool| {
        network(serde_json::json!({ "llama": {
            "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
            "num_attention_heads": 2, "tie_word_embeddings": tied,
        } }))
    };
    let untied = sized(false);
    let all: Vec<_> = numbers(&*untied)
        .into_iter()
        .map(|(name, shape, numbers)| (name, shape, bytes(&numbers)))
        .collect();
    write(&path, &all, Dtype::F32);
    let mut tied = emptied(sized(true));
    load_into(&mut *tied, &path).unwrap();
    let mut again = emptied(sized(false));
    load_into(&mut *again, &path).unwrap();
    let of = |network: &dyn Network| logits(network, &tokens(), &mut Taps::none());
    close(&of(&*again), &of(&*untied), 0.0);
    assert_ne!(of(&*tied), of(&*untied));
    let embedding = Value::R2(tied.parameters()[0].r2()).to_vec();
    assert_eq!(embedding, untied.parameters()[0].value.to_vec());
}

#[test]
fn rotary_settings_are_read_where_newer_files_keep_them() {
    let config = |rope: serde_json::Value| {
        let mut config = llama().config();
        let known = config.as_object_mut().unwrap();
        known.remove("rope_theta");
        known.insert("rope_parameters".to_owned(), rope);
        config
    };
    let device = Device::flex();
    let newer = serde_json::json!({ "rope_type": "default", "rope_theta": 777.0 });
    let network = from_config(&config(newer), &device).unwrap();
    assert_eq!(network.config()["rope_theta"], 777.0);
    assert!(network.config().get("rope_parameters").is_none());
    let scaled = serde_json::json!({ "rope_type": "yarn", "rope_theta": 777.0 });
    let error = from_config(&config(scaled), &device).err().unwrap();
    assert!(error.to_string().contains("`yarn`"), "{error}");
    let mut windowed = llama().config();
    windowed["model_type"] = "mistral".into();
    windowed["sliding_window"] = 100.into();
    let network = from_config(&windowed, &device).unwrap();
    assert_eq!(network.capabilities().context, Some(100));
}

#[test]
fn a_chat_model_stops_and_speaks_as_before_when_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let words = Tokenizer::words(["a b c d e f g h i j"].into_iter());
    save_folder(&first, &*llama(), Some(&words)).unwrap();
    let change = |file: &str, key: &str, value: serde_json::Value| {
        let path = first.join(file);
        let mut json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        json[key] = value;
        std::fs::write(&path, json.to_string()).unwrap();
    };
    change("config.json", "eos_token_id", serde_json::json!([2, 5]));
    change(
        "tokenizer_config.json",
        "chat_template",
        "{{ eos_token }}{{ bos_token }}".into(),
    );
    change("tokenizer_config.json", "eos_token", "d".into());
    change(
        "tokenizer_config.json",
        "bos_token",
        serde_json::Value::Null,
    );
    let loaded = load_folder(&first, &Device::flex()).unwrap();
    save_folder(&second, &*loaded.network, loaded.tokenizer.as_ref()).unwrap();
    let again = load_folder(&second, &Device::flex()).unwrap();
    assert_eq!(
        again.network.config()["eos_token_id"],
        serde_json::json!([2, 5])
    );
    let filled = |loaded: &engraft_nets::Loaded| {
        let chat = loaded.tokenizer.as_ref().unwrap().chat().unwrap();
        chat.fill(&[], false).unwrap()
    };
    assert_eq!(
        (filled(&loaded), filled(&again)),
        ("d".to_owned(), "d".to_owned())
    );
}
