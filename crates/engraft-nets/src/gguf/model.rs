//! A GGUF file as a network: configuration and weights under their Hugging Face names.

use std::{fs::File, path::Path};

use burn::tensor::Device;
use memmap2::Mmap;
use serde_json::{Value as Json, json};

use super::container::{self, Container, Meta};
use super::{GgufError, vocabulary};
use crate::{
    FolderError, Loaded, Parameter, Tokenizer, Value,
    spec::{Extent, from_config_of},
};

/// Loads a file; everything is checked before anything is returned. A `tokenizer.json` beside it
/// counts before the tokenizer inside.
pub(crate) fn load(path: &Path, device: &Device) -> Result<Loaded, FolderError> {
    let fail = |problem: String| GgufError::new(path, problem);
    let file = File::open(path).map_err(|error| fail(format!("cannot be opened: {error}")))?;
    // SAFETY: the map is only read; a file that another process truncates while it is read is the
    // one case nobody can guard against, and it ends this process, not the file.
    let map = unsafe { Mmap::map(&file) };
    let map = map.map_err(|error| fail(format!("cannot be mapped: {error}")))?;
    let container = container::read(&map).map_err(fail)?;
    let config = config(&container).map_err(fail)?;
    let stored = Extent {
        tensors: container.tensors.len() as f64,
        numbers: container.tensors.values().map(|t| t.numbers() as f64).sum(),
    };
    let mut network =
        from_config_of(&config, stored, device).map_err(|source| FolderError::Spec {
            path: path.to_owned(),
            source,
        })?;
    let interleaved = architecture(&container) == Some("llama");
    let heads = [
        &config["num_attention_heads"],
        &config["num_key_value_heads"],
    ];
    let heads = heads.map(|heads| heads.as_u64().unwrap_or(1) as usize);
    for parameter in network.parameters_mut() {
        let rotated = match interleaved {
            true if parameter.name.contains(".q_proj.") => Some(heads[0]),
            true if parameter.name.contains(".k_proj.") => Some(heads[1]),
            _ => None,
        };
        parameter.value = read(&container, &map, parameter, rotated).map_err(fail)?;
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let tokenizer = match folder.join("tokenizer.json").exists() {
        true => Tokenizer::of_folder(folder, &config)?,
        false => Some(vocabulary::tokenizer(path, &container).map_err(fail)?),
    };
    crate::folder::fits(path, tokenizer.as_ref(), &*network)?;
    Ok(Loaded { network, tokenizer })
}

fn architecture(container: &Container) -> Option<&str> {
    container.metadata.get("general.architecture")?.text()
}

/// The `config.json` that the metadata amounts to.
fn config(container: &Container) -> Result<Json, String> {
    let architecture = architecture(container).unwrap_or_default();
    if !["llama", "qwen2"].contains(&architecture) {
        return Err(format!(
            "`general.architecture` is `{architecture}`; known are llama and qwen2"
        ));
    }
    let find = |key: &str| container.metadata.get(&format!("{architecture}.{key}"));
    let count = |key: &str| {
        let count = find(key).and_then(Meta::count);
        count.ok_or_else(|| format!("`{architecture}.{key}` is missing or no number"))
    };
    if let Some(kind) = find("rope.scaling.type").and_then(Meta::text)
        && kind != "none"
    {
        return Err(format!(
            "`{architecture}.rope.scaling.type` is `{kind}`; only unscaled models are read"
        ));
    }
    let heads = count("attention.head_count")?;
    let vocabulary = vocabulary::size(container).ok_or("it has no `tokenizer.ggml.tokens`")?;
    let number = |key: &str, usual: f64| find(key).and_then(Meta::number).unwrap_or(usual);
    // Floats are stored in single precision: 1e-5 comes back as it was written, not as its neighbour.
    let shortest = |number: f64| (number as f32).to_string().parse().unwrap_or(number);
    let mut config = json!({
        "model_type": architecture,
        "hidden_act": "silu",
        "torch_dtype": "float32",
        "vocab_size": vocabulary,
        "hidden_size": count("embedding_length")?,
        "intermediate_size": count("feed_forward_length")?,
        "num_hidden_layers": count("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": find("attention.head_count_kv").and_then(Meta::count).unwrap_or(heads),
        "max_position_embeddings": count("context_length")?,
        "rms_norm_eps": shortest(number("attention.layer_norm_rms_epsilon", 1e-6)),
        "rope_theta": shortest(number("rope.freq_base", 10000.0)),
        "tie_word_embeddings": !container.tensors.contains_key("output.weight"),
        "attention_bias": container.tensors.contains_key("blk.0.attn_q.bias"),
    });
    if let Some(width) = find("attention.key_length").and_then(Meta::count) {
        config["head_dim"] = width.into();
    }
    let id = |key: &str| {
        container
            .metadata
            .get(&format!("tokenizer.ggml.{key}_token_id"))
    };
    for (key, written) in [("bos", "bos"), ("eos", "eos"), ("pad", "padding")] {
        if let Some(id) = id(written).and_then(Meta::count) {
            config[format!("{key}_token_id")] = id.into();
        }
    }
    Ok(config)
}

/// The name a parameter has in the file.
fn name(parameter: &str) -> Option<String> {
    let outside = match parameter {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(name) = outside {
        return Some(name.to_owned());
    }
    let (block, part) = parameter.strip_prefix("model.layers.")?.split_once('.')?;
    let (module, kind) = part.rsplit_once('.')?;
    let module = match module {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{block}.{module}.{kind}"))
}

/// A parameter's numbers; with `rotated` heads its rows are brought from pairs that turn together
/// side by side to halves of a head.
fn read(
    container: &Container,
    file: &[u8],
    parameter: &Parameter,
    rotated: Option<usize>,
) -> Result<Value, String> {
    let name = name(&parameter.name)
        .ok_or_else(|| format!("the format has no place for `{}`", parameter.name))?;
    let listed = container.tensors.get(&name);
    let listed = listed.ok_or_else(|| format!("the tensor `{name}` is missing"))?;
    let shape = parameter.value.dims();
    if listed.shape != shape {
        return Err(format!(
            "the tensor `{name}` has shape {:?}, the metadata say {shape:?}",
            listed.shape
        ));
    }
    let mut numbers = listed.format.numbers(&file[listed.bytes.clone()]);
    if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
        return Err(format!(
            "the tensor `{name}` holds {} at place {at}",
            numbers[at]
        ));
    }
    if let Some(heads) = rotated {
        numbers = halves(&numbers, heads, shape[0]);
    }
    Ok(parameter.holding(numbers))
}

/// Rows `2i` and `2i + 1` of every head become rows `i` and `i + width/2`.
fn halves(numbers: &[f32], heads: usize, rows: usize) -> Vec<f32> {
    let (width, length) = (rows / heads.max(1), numbers.len() / rows.max(1));
    let mut turned = Vec::with_capacity(numbers.len());
    for head in 0..heads {
        for half in 0..2 {
            for pair in 0..width / 2 {
                let row = head * width + 2 * pair + half;
                turned.extend_from_slice(&numbers[row * length..(row + 1) * length]);
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_halves_head_by_head() {
        let rows: Vec<f32> = (0..8).map(|row| row as f32).collect();
        assert_eq!(
            halves(&rows, 2, 8),
            [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
        );
    }

    #[test]
    fn names_of_every_part_are_known() {
        assert_eq!(
            name("model.layers.3.mlp.up_proj.weight").as_deref(),
            Some("blk.3.ffn_up.weight")
        );
        assert_eq!(
            name("model.layers.0.self_attn.q_proj.bias").as_deref(),
            Some("blk.0.attn_q.bias")
        );
        assert_eq!(name("transformer.wte.weight"), None);
    }
}
