//! A GGUF file of plain floats, written as llama.cpp's converter does.

use serde_json::Value as Json;

use super::Named;

/// Types of metadata.
const U32: u32 = 4;
const F32: u32 = 6;
const TEXT: u32 = 8;
const LIST: u32 = 9;

/// The file of a model with so many one-letter tokens as its vocabulary has.
pub fn file(config: &Json, weights: &[Named]) -> Vec<u8> {
    let kind = config["model_type"].as_str().expect("a name");
    let count = |key: &str| config[key].as_u64().map(|count| count as u32);
    let mut metadata = vec![
        entry("general.architecture", TEXT, text(kind)),
        entry("tokenizer.ggml.model", TEXT, text("gpt2")),
        entry("tokenizer.ggml.tokens", LIST, {
            let vocab = count("vocab_size").expect("a size");
            let tokens = (0..vocab).map(|id| char::from_u32(0x41 + id).expect("a letter"));
            texts(tokens.map(String::from).collect())
        }),
        entry("tokenizer.ggml.merges", LIST, texts(Vec::new())),
    ];
    for (key, ours) in [
        ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"),
        ("block_count", "num_hidden_layers"),
        ("attention.head_count", "num_attention_heads"),
        ("attention.head_count_kv", "num_key_value_heads"),
        ("attention.key_length", "head_dim"),
        ("context_length", "max_position_embeddings"),
    ] {
        if let Some(count) = count(ours) {
            let key = format!("{kind}.{key}");
            metadata.push(entry(&key, U32, count.to_le_bytes().to_vec()));
        }
    }
    for (key, ours) in [
        ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
        ("rope.freq_base", "rope_theta"),
    ] {
        let number = config[ours].as_f64().expect("a number") as f32;
        let key = format!("{kind}.{key}");
        metadata.push(entry(&key, F32, number.to_le_bytes().to_vec()));
    }
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((weights.len() as u64).to_le_bytes());
    file.extend((metadata.len() as u64).to_le_bytes());
    file.extend(metadata.concat());
    let mut data: Vec<u8> = Vec::new();
    for (name, shape, numbers) in weights {
        file.extend(text(&tensor(name)));
        file.extend((shape.len() as u32).to_le_bytes());
        // The fastest dimension stands first.
        let sides = shape.iter().rev();
        file.extend(sides.flat_map(|&side| (side as u64).to_le_bytes()));
        file.extend(0u32.to_le_bytes());
        file.extend((data.len() as u64).to_le_bytes());
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

/// What the format calls a parameter.
fn tensor(parameter: &str) -> String {
    let mut name = parameter.replace("model.layers.", "blk.");
    for (ours, theirs) in [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("_proj", ""),
    ] {
        name = name.replace(ours, theirs);
    }
    name
}

fn entry(key: &str, kind: u32, value: Vec<u8>) -> Vec<u8> {
    [text(key), kind.to_le_bytes().to_vec(), value].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn texts(all: Vec<String>) -> Vec<u8> {
    let length = all.len() as u64;
    let mut bytes = [&TEXT.to_le_bytes()[..], &length.to_le_bytes()].concat();
    bytes.extend(all.iter().flat_map(|one| text(one)));
    bytes
}
