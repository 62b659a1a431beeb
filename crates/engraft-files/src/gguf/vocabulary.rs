//! The tokenizer of a GGUF file as a `tokenizer.json`: byte-level BPE with the file's own rule for
//! cutting a text into words.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::container::{Container, Meta};
use crate::chat::ChatTemplate;
use crate::tokenizer::{Specials, Tokenizer};

const TOKENS: &str = "tokenizer.ggml.tokens";

/// Token types that the file marks.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// The cut of GPT-2's successors with runs of up to three digits (Llama 3).
const LLAMA_3: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/// The same with single digits (Qwen 2).
const QWEN_2: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// The vocabulary's size, by the metadata.
pub(super) fn size(container: &Container) -> Option<usize> {
    Some(container.metadata.get(TOKENS)?.list()?.len())
}

/// The file's tokenizer; what is wrong is said in one clause.
pub(super) fn tokenizer(path: &Path, container: &Container) -> Result<Tokenizer, String> {
    let metadata = |key: &str| container.metadata.get(&format!("tokenizer.ggml.{key}"));
    let model = metadata("model").and_then(Meta::text).unwrap_or_default();
    if model != "gpt2" {
        return Err(format!(
            "its tokenizer is `{model}`; known is gpt2 (byte-level BPE). Put the model's \
             tokenizer.json beside the file"
        ));
    }
    let list = |key: &str| -> Result<&[Meta], String> {
        let list = metadata(key).and_then(Meta::list);
        list.ok_or_else(|| format!("`tokenizer.ggml.{key}` is missing or no list"))
    };
    let text = |entry: &'_ Meta, key: &str| -> Result<String, String> {
        let text = entry.text().map(str::to_owned);
        text.ok_or_else(|| format!("`tokenizer.ggml.{key}` holds something that is no text"))
    };
    let (mut vocabulary, mut added) = (Map::new(), Vec::new());
    let types = metadata("token_type").and_then(Meta::list).unwrap_or(&[]);
    for (id, entry) in list("tokens")?.iter().enumerate() {
        let token = text(entry, "tokens")?;
        let kind = types.get(id).and_then(Meta::count).unwrap_or(1);
        if kind == CONTROL || kind == USER_DEFINED {
            added.push(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": kind == CONTROL,
            }));
        }
        vocabulary.insert(token, id.into());
    }
    let mut merges = Vec::new();
    for entry in list("merges")? {
        let merge = text(entry, "merges")?;
        let (first, second) = merge
            .split_once(' ')
            .ok_or_else(|| format!("the merge `{merge}` has no two sides"))?;
        merges.push(json!([first, second]));
    }
    let cut_by = metadata("pre").and_then(Meta::text).unwrap_or("gpt-2");
    let whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": cut(cut_by)?,
        "post_processor": null,
        "decoder": byte_level(true),
        "model": {
            "type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": null,
            "dropout": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        },
    });
    let id = |key: &str| {
        let id = metadata(key).and_then(Meta::count)?;
        u32::try_from(id).ok()
    };
    let end = id("eos_token_id").unwrap_or(0);
    // Where the file does not say, as in llama.cpp.
    let adds_start = match metadata("add_bos_token") {
        Some(&Meta::Flag(adds)) => adds,
        _ => cut_by == "llama-bpe",
    };
    let specials = Specials {
        start: id("bos_token_id").filter(|_| adds_start),
        end,
        pad: id("padding_token_id").unwrap_or(end),
    };
    let named = |id: Option<u32>| {
        let entry = list("tokens").ok()?.get(id? as usize)?;
        entry.text().map(str::to_owned)
    };
    let chat = container.metadata.get("tokenizer.chat_template");
    let chat = match chat.and_then(Meta::text) {
        None => None,
        Some(source) => {
            let start = named(id("bos_token_id")).unwrap_or_default();
            let end = named(Some(end)).unwrap_or_default();
            Some(ChatTemplate::new(source, &start, &end, path))
        }
    };
    Tokenizer::of_json(&whole, specials, chat)
}

/// How a text is cut into words before their bytes are merged.
fn cut(name: &str) -> Result<Value, String> {
    let by = |pattern: &str| {
        json!({ "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false },
            byte_level(false),
        ]})
    };
    Ok(match name {
        "gpt-2" | "default" => byte_level(true),
        "smollm" => json!({ "type": "Sequence", "pretokenizers": [
            { "type": "Digits", "individual_digits": true },
            byte_level(true),
        ]}),
        "llama-bpe" => by(LLAMA_3),
        "qwen2" => by(QWEN_2),
        other => {
            return Err(format!(
                "`tokenizer.ggml.pre` is `{other}`; known are gpt-2, smollm, llama-bpe and qwen2. Put \
                 the model's tokenizer.json beside the file"
            ));
        }
    })
}

fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}
