//! A file's metadata as a configuration, and the names its tensors have.

use serde_json::{Value as Json, json};

use super::container::{Container, Meta};
use super::vocabulary;

pub(super) fn architecture(container: &Container) -> Option<&str> {
    container.metadata.get("general.architecture")?.text()
}

/// The `config.json` that the metadata amounts to.
pub(super) fn config(container: &Container) -> Result<Json, String> {
    let architecture = architecture(container).unwrap_or_default();
    if !["llama", "qwen2", "qwen3"].contains(&architecture) {
        return Err(format!(
            "`general.architecture` is `{architecture}`; known are llama, qwen2 and qwen3"
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
    if container.tensors.contains_key("rope_freqs.weight") {
        return Err(
            "the tensor `rope_freqs.weight` scales its rotary positions, which is read only from a \
             Hugging Face folder; use that"
                .to_owned(),
        );
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

/// The name that a parameter of the family has in the file.
pub(super) fn name(parameter: &str) -> Option<String> {
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
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{block}.{module}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
