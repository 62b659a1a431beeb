//! Sentence embeddings equal those of transformers, whatever stands beside a text, and folders that
//! hold something else are refused by name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::close;
use burn::tensor::Device;
use engraft_method::parity::{self, Case, Check, ParityError};
use engraft_nets::{FolderError, SentenceEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

fn load(folder: &Path) -> Result<SentenceEncoder, FolderError> {
    SentenceEncoder::load(folder, &Device::flex())
}

/// Cosine distances may be this large, elements what the case says.
const FARTHEST: f64 = 1e-4;

/// Embeds the case's texts and fills in what came out.
fn answer(case: &mut Case, folder: &Path) -> Result<(), ParityError> {
    let fail = |error: &dyn std::fmt::Display| ParityError::Computation(error.to_string());
    let encoder = load(folder).map_err(|error| fail(&error))?;
    let texts: Vec<String> =
        serde_json::from_value(case.json("texts")?.clone()).map_err(|error| fail(&error))?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = encoder.encode(&texts);
    let wanted = case.wanted("embeddings").map(parity::Tensor::f32);
    let wanted = wanted.unwrap_or_default();
    let (mut farthest, mut largest) = (0.0f64, 0.0f32);
    for (found, wanted) in found.iter().zip(wanted.chunks(encoder.width())) {
        farthest = farthest.max(1.0 - cosine(found, wanted));
        let differences = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
        largest = differences.fold(largest, f32::max);
    }
    println!(
        "{} {}: cosine distance up to {farthest:.1e}, elements differ by up to {largest:.1e}",
        case.slug, case.name
    );
    case.output_f32("embeddings", &found.concat());
    match farthest < FARTHEST {
        true => Ok(()),
        false => Err(fail(&format!("a cosine distance of {farthest:e}"))),
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn stored_encoder(case: &mut Case) -> Result<(), ParityError> {
    let folder = case.json("folder")?.as_str().unwrap_or_default().to_owned();
    let folder = parity::folder().join(&case.slug).join(folder);
    answer(case, &folder)
}

#[test]
fn parity_with_transformers_on_small_berts() {
    let checks = [Check {
        slug: "bert-small",
        kind: "sentence_embeddings",
        run: stored_encoder,
    }];
    let report = parity::run(&parity::folder(), "bert-small", &checks).expect("readable cases");
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

fn minilm() -> Option<PathBuf> {
    let data = PathBuf::from(std::env::var_os("ENGRAFT_DATA")?);
    Some(data.join("minilm-l6")).filter(|folder| folder.exists())
}

fn trained_minilm(case: &mut Case) -> Result<(), ParityError> {
    answer(case, &minilm().expect("checked before"))
}

/// Needs the trained weights, which are not part of this repository.
#[test]
fn parity_with_transformers_on_bert_minilm() {
    if minilm().is_none() {
        println!("did not run: set ENGRAFT_DATA to a folder that holds minilm-l6");
        return;
    }
    let checks = [Check {
        slug: "minilm-l6",
        kind: "sentence_embeddings",
        run: trained_minilm,
    }];
    let report = parity::run(&parity::folder(), "minilm-l6", &checks).expect("readable cases");
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

/// One of the encoders of this repository.
fn stored(name: &str) -> PathBuf {
    let parity = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity");
    parity.join("bert-small").join(name)
}

/// A copy of one, to change.
fn copy(name: &str) -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let place = to.join(path.file_name().unwrap());
            match path.is_dir() {
                true => copy_into(&path, &place),
                false => {
                    fs::copy(&path, &place).unwrap();
                }
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy_into(&stored(name), folder.path());
    folder
}

/// Replaces what a JSON file of the folder holds at a pointer; a key that is not there is added.
fn set(folder: &Path, file: &str, pointer: &str, value: Value) {
    let path = folder.join(file);
    let mut whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = whole.pointer_mut(parent).unwrap();
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[key] = value,
    }
    fs::write(&path, whole.to_string()).unwrap();
}

#[test]
fn a_bert_embeds_a_text_alone_as_among_others_and_in_order() {
    let encoder = load(&stored("uncased")).unwrap();
    let words = ["the", "river", "runs", "sea", "stone", "ship", "a", "."];
    let texts: Vec<String> = (0..40usize)
        .map(|i| {
            (0..i * 7 % 16)
                .map(|j| words[(i + j * j) % 8])
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = encoder.encode(&texts);
    assert_eq!(together.len(), texts.len());
    for (text, among) in texts.iter().zip(&together) {
        let alone = encoder.encode(&[text]);
        assert_eq!(among.len(), encoder.width());
        close(among, &alone[0], 1e-5);
        assert!((cosine(among, among) - 1.0).abs() < 1e-6);
        let length: f32 = among.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "a length of {length}");
    }
    assert!(encoder.encode(&[]).is_empty());
}

#[test]
fn a_bert_without_the_files_of_sentence_transformers_reads_to_its_last_position() {
    let folder = copy("uncased");
    let path = folder.path();
    fs::remove_file(path.join("modules.json")).unwrap();
    fs::remove_file(path.join("sentence_bert_config.json")).unwrap();
    fs::remove_dir_all(path.join("1_Pooling")).unwrap();
    let (plain, limited) = (load(path).unwrap(), load(&stored("uncased")).unwrap());
    let (short, long) = ("the sea", "the sea ".repeat(50));
    let texts = [short, long.as_str()];
    close(&plain.encode(&texts)[0], &limited.encode(&texts)[0], 1e-6);
    let different = cosine(&plain.encode(&texts)[1], &limited.encode(&texts)[1]);
    assert!(
        different < 1.0 - 1e-5,
        "cut at 40 tokens and at 20: {different}"
    );
    // 38 words and the two tokens around them fill the 40 positions.
    let full = "the sea ".repeat(19);
    close(
        &plain.encode(&texts)[1],
        &plain.encode(&[full.as_str()])[0],
        1e-6,
    );
}

#[test]
fn a_bert_lowercases_where_its_folder_says_so() {
    let folder = copy("cased");
    let file = "0_Transformer/sentence_bert_config.json";
    let cased = load(folder.path()).unwrap();
    set(folder.path(), file, "/do_lower_case", true.into());
    let lowercased = load(folder.path()).unwrap();
    let (shout, quiet) = (["The RIVER É"], ["the river é"]);
    close(
        &lowercased.encode(&shout)[0],
        &cased.encode(&quiet)[0],
        1e-6,
    );
    assert!(cosine(&cased.encode(&shout)[0], &cased.encode(&quiet)[0]) < 1.0 - 1e-3);
}

#[track_caller]
fn refused(folder: &Path, file: &str, key: &str) {
    let error = load(folder).err().expect("refused").to_string();
    assert!(error.contains(file), "{file}: {error}");
    assert!(error.contains(key), "{key}: {error}");
}

#[test]
fn a_bert_of_another_kind_is_refused_by_file_and_key() {
    let (config, modules) = ("config.json", "modules.json");
    let (pooling, sentence) = ("1_Pooling/config.json", "sentence_bert_config.json");
    let dense = "sentence_transformers.models.Dense";
    for (file, pointer, value, wanted) in [
        (
            config,
            "/model_type",
            json!("roberta"),
            "model_type is \"roberta\"",
        ),
        (config, "/model_type", Value::Null, "model_type is null"),
        (
            config,
            "/hidden_act",
            json!("gelu_new"),
            "hidden_act is \"gelu_new\"",
        ),
        (
            config,
            "/position_embedding_type",
            json!("relative_key"),
            "position_embedding_type is \"relative_key\"",
        ),
        (config, "/is_decoder", json!(true), "is_decoder is true"),
        (config, "/hidden_size", json!("32"), "expected usize"),
        (
            config,
            "/num_hidden_layers",
            json!(0),
            "num_hidden_layers is 0",
        ),
        (
            config,
            "/num_attention_heads",
            json!(5),
            "num_attention_heads",
        ),
        (config, "/layer_norm_eps", json!(-1), "layer_norm_eps is -1"),
        (modules, "/1/type", json!(dense), dense),
        (modules, "/0/type", json!(3), "`type` ``"),
        (
            modules,
            "/1/path",
            json!("../elsewhere"),
            "outside the folder",
        ),
        (modules, "/1/path", json!("/"), "outside the folder"),
        (modules, "/1/type", json!("x.Normalize"), "no Pooling"),
        (
            pooling,
            "/pooling_mode_cls_token",
            json!(true),
            "pooling_mode_cls_token",
        ),
        (
            pooling,
            "/pooling_mode",
            json!("lasttoken"),
            "pools by `lasttoken`",
        ),
        (
            pooling,
            "/pooling_mode",
            json!(["mean", "max"]),
            "pools by `mean` and `max`",
        ),
        (pooling, "/pooling_mode", json!(7), "pools by `7`"),
        (
            pooling,
            "/pooling_mode",
            json!(["mean", "mean"]),
            "pools by `mean` and `mean`",
        ),
        (
            sentence,
            "/max_seq_length",
            json!(41),
            "max_seq_length is 41",
        ),
        (
            sentence,
            "/max_seq_length",
            json!("20"),
            "max_seq_length is \"20\"",
        ),
        (
            sentence,
            "/max_seq_length",
            json!(2),
            "leaves a text no place",
        ),
    ] {
        let folder = copy("uncased");
        set(folder.path(), file, pointer, value);
        refused(folder.path(), file, wanted);
    }
}

#[test]
fn a_bert_tokenizer_that_cannot_serve_is_refused_before_it_is_used() {
    let file = "tokenizer.json";
    for (pointer, value, wanted) in [
        ("/model/unk_token", json!("[GONE]"), "unk_token"),
        ("/model/vocab/the", json!(4_294_967_295u32), "4294967295"),
        ("/model/vocab/more", json!(200), "has ids up to 200"),
        (
            "/model",
            json!({ "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "a" }),
            "WordPiece",
        ),
        ("/model", Value::Null, "is no tokenizer"),
        (
            "/post_processor/type",
            json!("ByteLevel"),
            "unknown variant `ByteLevel`",
        ),
        ("/post_processor/special_tokens", json!({}), "names `[CLS]`"),
        (
            "/post_processor/special_tokens/[SEP]/ids",
            json!([9999]),
            "has ids up to 9999",
        ),
    ] {
        let folder = copy("uncased");
        set(folder.path(), file, pointer, value);
        refused(folder.path(), file, wanted);
    }
    let piece =
        |kind: &str, id: &str, type_id: u32| json!({ kind: { "id": id, "type_id": type_id } });
    let text = || piece("Sequence", "A", 0);
    for (single, wanted) in [
        (
            json!([piece("SpecialToken", "[CLS]", 0)]),
            "no place for the text",
        ),
        (json!([piece("Sequence", "B", 0)]), "no place for the text"),
        (json!([text(), text()]), "more than the one text"),
        (
            json!([piece("SpecialToken", "[BOS]", 0), text()]),
            "names `[BOS]`",
        ),
        (json!([piece("Sequence", "A", 1)]), "`type_id` other than 0"),
        (json!([piece("Pair", "A", 0)]), "unknown variant `Pair`"),
    ] {
        let folder = copy("uncased");
        set(folder.path(), file, "/post_processor/single", single);
        refused(folder.path(), file, wanted);
    }
    let folder = copy("uncased");
    fs::write(folder.path().join(file), "[]").unwrap();
    refused(folder.path(), file, "not an object");
    fs::remove_file(folder.path().join(file)).unwrap();
    refused(folder.path(), file, "copy it from the model");
}

#[test]
fn bert_weights_that_are_cut_short_or_of_another_model_are_refused() {
    let file = "model.safetensors";
    let folder = copy("uncased");
    let path = folder.path().join(file);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refused(folder.path(), file, "cut short");
    fs::write(&path, &whole[..100]).unwrap();
    refused(folder.path(), file, "cut short");
    fs::write(&path, b"").unwrap();
    refused(folder.path(), file, "too short");
    fs::remove_file(&path).unwrap();
    refused(folder.path(), file, "cannot be opened");
    let mut broken = whole.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, broken).unwrap();
    // The last tensor of the file is the pooler's, which is not read.
    load(folder.path()).unwrap();
    fs::write(&path, &whole).unwrap();

    let config = "config.json";
    set(folder.path(), config, "/num_hidden_layers", 3.into());
    refused(
        folder.path(),
        file,
        "`encoder.layer.2.attention.self.query.weight` is missing",
    );
    set(folder.path(), config, "/num_hidden_layers", 1.into());
    refused(
        folder.path(),
        file,
        "`encoder.layer.1.attention.output.LayerNorm.bias` belongs to no",
    );
    set(folder.path(), config, "/num_hidden_layers", 2.into());
    set(folder.path(), config, "/intermediate_size", 49.into());
    refused(
        folder.path(),
        file,
        "has shape [48, 32], the model needs [49, 32]",
    );
    set(folder.path(), config, "/intermediate_size", 48.into());
    set(folder.path(), config, "/vocab_size", (1u64 << 40).into());
    refused(folder.path(), file, "check that config.json belongs to it");
}

#[test]
fn a_bert_folder_cut_anywhere_gives_an_error_and_no_panic() {
    let text = ["the river"];
    for name in ["uncased", "cased"] {
        let folder = copy(name);
        let encoder = if name == "cased" { "0_Transformer" } else { "" };
        let inside = |file: &str| folder.path().join(encoder).join(file);
        let files = [
            folder.path().join("modules.json"),
            folder.path().join("1_Pooling/config.json"),
            inside("sentence_bert_config.json"),
            inside("config.json"),
            inside("tokenizer.json"),
            inside("model.safetensors"),
        ];
        for path in files {
            let whole = fs::read(&path).unwrap();
            for tenth in 0..10 {
                fs::write(&path, &whole[..whole.len() * tenth / 10]).unwrap();
                let error = load(folder.path()).err().expect("refused").to_string();
                let file = path.file_name().unwrap().to_str().unwrap();
                assert!(error.contains(file), "{file}: {error}");
            }
            fs::write(&path, &whole).unwrap();
        }
        assert_eq!(load(folder.path()).unwrap().encode(&text).len(), 1);
    }
    let nothing = tempfile::tempdir().unwrap();
    refused(
        nothing.path(),
        "config.json",
        "give the folder of a sentence encoder",
    );
}

#[test]
fn a_bert_tokenizer_that_adds_nothing_leaves_an_empty_text_without_direction() {
    let folder = copy("uncased");
    set(
        folder.path(),
        "tokenizer.json",
        "/post_processor",
        Value::Null,
    );
    let encoder = load(folder.path()).unwrap();
    let found = encoder.encode(&["", "the sea"]);
    assert_eq!(found[0], vec![0.0; encoder.width()]);
    close(&found[1], &encoder.encode(&["the sea"])[0], 1e-6);
    assert!((cosine(&found[1], &found[1]) - 1.0).abs() < 1e-6);
}

/// Where a JSON value has values, itself left out; of long objects the first few.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(parts) => parts
            .iter()
            .map(|(key, part)| (key.clone(), part))
            .collect(),
        Value::Array(parts) => (0..)
            .zip(parts)
            .map(|(i, part): (usize, _)| (i.to_string(), part))
            .collect(),
        _ => Vec::new(),
    };
    for (key, part) in parts.into_iter().take(30) {
        let at = format!("{at}/{key}");
        pointers(part, &at, found);
        found.push(at);
    }
}

#[test]
fn a_bert_folder_with_any_value_anywhere_loads_or_is_refused_and_never_panics() {
    let values = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(u32::MAX),
        json!(""),
        json!("[CLS]"),
        json!([]),
        json!([0]),
        json!({}),
    ];
    let folder = copy("uncased");
    let (mut loaded, mut refusals) = (0, 0);
    for file in [
        "config.json",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "tokenizer.json",
    ] {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        let mut places = Vec::new();
        pointers(&serde_json::from_slice(&whole).unwrap(), "", &mut places);
        for place in &places {
            for value in &values {
                let mut changed: Value = serde_json::from_slice(&whole).unwrap();
                *changed.pointer_mut(place).unwrap() = value.clone();
                fs::write(&path, changed.to_string()).unwrap();
                match load(folder.path()) {
                    Ok(encoder) => {
                        loaded += 1;
                        let found =
                            encoder.encode(&["The Sea, 海 ünd 🙂 [SEP]", "", &"a ".repeat(50)]);
                        assert_eq!(found.len(), 3);
                    }
                    Err(_) => refusals += 1,
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    println!("{loaded} loaded, {refusals} refused");
    assert!(
        loaded > 100 && refusals > 100,
        "{loaded} loaded, {refusals} refused"
    );
}
