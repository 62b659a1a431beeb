#![no_main]
//! Any bytes as a GGUF file: what it describes can be read to the last number, or an error names the
//! file.

use std::{fmt::Display, path::PathBuf, sync::LazyLock};

use engraft_files::{Checkpoint, FolderError, LlamaSpec, Message, Stored, Tokenizer};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for one file").keep();
    folder.join("model.gguf")
});

/// Blocks that are looked at; the others are read by the same code.
const BLOCKS: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a small file");
    let checkpoint = match Checkpoint::open(&FILE) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return named(&error),
    };
    assert!(checkpoint.extent().bytes() < 100.0 * 1024.0 * bytes.len() as f64);
    if let Some(tokenizer) = checkpoint.tokenizer() {
        tell(tokenizer);
    }
    let Ok((spec, vocab)) = LlamaSpec::of_config(checkpoint.config()) else {
        return;
    };
    if spec.check().is_err() {
        return;
    }
    if let Err(error) = checkpoint.vocabulary_fits(vocab) {
        named(&error);
    }
    if let Err(error) = read(&checkpoint, &spec, vocab) {
        named(&error);
    }
});

/// Every parameter as the readers of models take it.
fn read(checkpoint: &Checkpoint, spec: &LlamaSpec, vocab: usize) -> Result<(), FolderError> {
    let (width, inner, head) = (spec.hidden_size, spec.intermediate_size, spec.head_width());
    // Sizes that no tensor of the file can have are refused by shape; they must not overflow before.
    let queries = spec.num_attention_heads.saturating_mul(head);
    let keys = spec.kv_heads().saturating_mul(head);
    let mut known = vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocab, width]),
        ("model.norm.weight".to_owned(), vec![width]),
    ];
    if !spec.tie_word_embeddings {
        known.push(("lm_head.weight".to_owned(), vec![vocab, width]));
    }
    for block in 0..spec.num_hidden_layers.min(BLOCKS) {
        let mut add = |part: &str, shape: &[usize]| {
            known.push((format!("model.layers.{block}.{part}"), shape.to_vec()));
        };
        add("input_layernorm.weight", &[width]);
        add("post_attention_layernorm.weight", &[width]);
        for (part, rows) in [("q", queries), ("k", keys), ("v", keys)] {
            add(&format!("self_attn.{part}_proj.weight"), &[rows, width]);
            if spec.attention_bias {
                add(&format!("self_attn.{part}_proj.bias"), &[rows]);
            }
        }
        if spec.qk_norm {
            add("self_attn.q_norm.weight", &[head]);
            add("self_attn.k_norm.weight", &[head]);
        }
        add("self_attn.o_proj.weight", &[width, queries]);
        add("mlp.gate_proj.weight", &[inner, width]);
        add("mlp.up_proj.weight", &[inner, width]);
        add("mlp.down_proj.weight", &[width, inner]);
    }
    // A tensor of another shape is read too, by whoever does not ask for one.
    for (name, _) in &known {
        if let Some(stored) = checkpoint.stored(name)? {
            numbers(&stored)?;
        }
    }
    for (name, shape) in &known {
        let stored = checkpoint.needed(name, shape)?;
        assert_eq!(stored.shape, shape);
        numbers(&stored)?;
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    checkpoint.nothing_else(&names)
}

/// All numbers at once are those of the rows, where it is a matrix.
fn numbers(stored: &Stored<'_>) -> Result<(), FolderError> {
    let all = stored.numbers()?;
    assert_eq!(all.len(), stored.shape.iter().product::<usize>());
    if all.is_empty() || stored.shape.len() < 2 {
        return Ok(());
    }
    let rows = stored.rows();
    for (row, wanted) in all.chunks_exact(all.len() / rows).enumerate() {
        assert_eq!(stored.format.numbers(stored.row(row)), wanted);
    }
    Ok(())
}

fn tell(tokenizer: &Tokenizer) {
    let ids = tokenizer.encode("to be, or 12 not\n to  be <|end|> é");
    assert!(ids.iter().all(|&id| id <= tokenizer.largest_id()));
    let _ = tokenizer.decode(&ids);
    if let Some(chat) = tokenizer.chat() {
        let said = Message {
            role: "user".to_owned(),
            content: "to be".to_owned(),
        };
        if let Err(error) = chat.fill(&[said], true) {
            named(&error);
        }
    }
}

fn named(error: &dyn Display) {
    let (error, file) = (error.to_string(), FILE.to_string_lossy());
    assert!(error.contains(&*file), "{error}");
}
