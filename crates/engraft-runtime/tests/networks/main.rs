//! Every type of the family beside transformers on small random weights: logits, hidden states and
//! attention maps, from a folder and from a GGUF file.

mod gguf;

use std::{collections::BTreeMap, path::Path};

use engraft_files::{llama::TYPES, safetensors::pack};
use engraft_method::parity::{self, Case, ParityError};
use engraft_runtime::{
    Ask, Blind, CausalLm, Feed, Llama, Options, Precision, Probe, Row, RuntimeError, Site,
};
use serde_json::Value as Json;

/// A parameter: name, shape and numbers.
type Named = (String, Vec<usize>, Vec<f32>);

/// The cases of this slug that are of the family, with configuration and weights.
fn cases() -> Vec<(Case, Json, Vec<Named>)> {
    let folder = parity::folder().join("networks");
    let cases = parity::load(&folder, "networks").expect("readable cases");
    let text = std::fs::read(folder.join("cases.json")).expect("it was read before");
    let listing: Json = serde_json::from_slice(&text).expect("it was read before");
    let listed = listing["cases"].as_array().expect("a list").iter();
    let with_parts = cases.into_iter().zip(listed).map(|(case, listed)| {
        let config = case.json("config").expect("every case has one").clone();
        let names = listed["tensors"].as_object().expect("names").keys();
        let weights = names.filter_map(|name| name.strip_prefix("weights."));
        let weights = weights.map(|name| {
            let given = case.input(&format!("weights.{name}")).expect("listed");
            (name.to_owned(), given.shape.clone(), given.f32())
        });
        let weights = weights.collect();
        (case, config, weights)
    });
    with_parts
        .filter(|(_, config, _)| TYPES.iter().any(|kind| config["model_type"] == *kind))
        .collect()
}

fn load(path: &Path) -> Result<Llama, RuntimeError> {
    let options = Options {
        precision: Precision::F32,
        threads: Some(2),
        kernel: None,
    };
    Ok(Llama::load(path, options)?.model)
}

/// A model folder as Hugging Face lays it out.
fn folder(config: &Json, weights: &[Named]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("a small file");
    };
    write("config.json", config.to_string().as_bytes());
    write("model.safetensors", &pack(weights.iter().cloned()));
    folder
}

/// Keeps a copy of everything, attention maps padded to the square that transformers gives.
struct All {
    tokens: usize,
    found: BTreeMap<Site, Vec<f32>>,
}

impl Probe for All {
    fn wants(&self, _site: Site) -> bool {
        true
    }

    fn at(&mut self, site: Site, rows: &[Row], values: &mut [f32]) {
        let Site::Attention(_) = site else {
            self.found.insert(site, values.to_vec());
            return;
        };
        let (row, tokens) = (rows[0], self.tokens);
        let heads = values.len() / (row.position + 1);
        let squares = heads * tokens * tokens;
        let map = self.found.entry(site).or_default();
        map.resize((row.feed + 1) * squares, 0.0);
        for (head, weights) in values.chunks_exact(row.position + 1).enumerate() {
            let from = row.feed * squares + (head * tokens + row.position) * tokens;
            map[from..from + weights.len()].copy_from_slice(weights);
        }
    }
}

/// Runs the model on the case's ids, a stream for each sequence, and fills in every output.
fn answer(case: &mut Case, model: &Llama) -> Result<(), ParityError> {
    let ids = case.input("ids")?;
    let tokens = ids.shape[1];
    let ids: Vec<u32> = ids.i64().into_iter().map(|id| id as u32).collect();
    let run = |probe: &mut dyn Probe| {
        let mut streams: Vec<_> = ids.chunks(tokens).map(|_| model.stream()).collect();
        let feeds = streams.iter_mut().zip(ids.chunks(tokens));
        let feeds = feeds.map(|(stream, tokens)| Feed {
            stream,
            tokens,
            ask: Ask::All,
        });
        let logits = model.forward(&mut feeds.collect::<Vec<_>>(), probe);
        logits.expect("it fits")
    };
    let mut all = All {
        tokens,
        found: BTreeMap::new(),
    };
    run(&mut all);
    // Attention that nobody looks into is computed elsewhere.
    case.output_f32("logits", &run(&mut Blind));
    for block in 0..model.shape().blocks {
        let before = match block {
            0 => Site::Embeddings,
            _ => Site::After(block - 1),
        };
        case.output_f32(format!("hidden.{block}"), &all.found[&before]);
        let map = &all.found[&Site::Attention(block)];
        case.output_f32(format!("attention.{block}"), map);
    }
    Ok(())
}

#[test]
fn parity_with_transformers_on_small_random_weights() {
    let mut kinds = Vec::new();
    for (mut case, config, weights) in cases() {
        let model = load(folder(&config, &weights).path()).expect("a whole folder");
        answer(&mut case, &model).expect("every input is there");
        let failures = parity::compare(&case);
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        kinds.push(config["model_type"].as_str().expect("a name").to_owned());
    }
    let missing = TYPES.iter().find(|kind| !kinds.iter().any(|k| k == *kind));
    assert_eq!(missing, None, "a type without a case");
}

#[test]
fn a_gguf_file_of_the_same_weights_gives_the_same() {
    for (mut case, config, weights) in cases() {
        // Llama's rows stand in another order in such files, and scaled positions are not read there.
        if !config["model_type"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("qwen"))
        {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.gguf");
        let write = |weights: &[Named]| {
            std::fs::write(&path, gguf::file(&config, weights)).expect("a small file");
        };
        write(&weights);
        let model = load(&path).expect("a whole file");
        answer(&mut case, &model).expect("every input is there");
        let failures = parity::compare(&case);
        assert!(failures.is_empty(), "{}", failures.join("\n"));

        let odd = ("rope_freqs.weight".to_owned(), vec![4], vec![1.0; 4]);
        write(&[&weights[..], &[odd]].concat());
        let error = load(&path).err().expect("positions are scaled").to_string();
        assert!(
            error.contains("rope_freqs") && error.contains("model.gguf"),
            "{error}"
        );
    }
}

#[test]
fn a_tensor_that_the_model_would_ignore_is_refused() {
    let (_, config, mut weights) = cases().remove(0);
    let name = "model.layers.0.self_attn.o_proj.bias".to_owned();
    weights.push((name.clone(), vec![24], vec![1.0; 24]));
    let error = load(folder(&config, &weights).path())
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains(&name), "{error}");
}
