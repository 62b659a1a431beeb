//! Model folders that are damaged, hostile or of another model.

use serde_json::{Value, json};

use crate::support::{TINY_GPT, Weights, Workplace, gzip, records, trained_model};

const FILE: &str = "model/model.safetensors";

/// A workplace with a sound model in `model` and data it can read.
fn sound() -> Workplace {
    let place = Workplace::new();
    trained_model(&place, "model");
    place.write("houses.jsonl", records(6));
    place
}

/// The model is refused, with these words, by a verb that trains and by one that measures.
#[track_caller]
fn refuses(place: &Workplace, said: &[&str]) {
    let said = [&["models.model: "][..], said].concat();
    for words in [
        &["probe", "--model", "model", "--data", "houses.jsonl"][..],
        &[
            "teach",
            "--model",
            "model",
            "--data",
            "houses.jsonl",
            "--out",
            "out",
        ],
    ] {
        let err = place.refuses(words, 1, &said);
        assert_eq!(
            err.matches("\n  - ").count(),
            1,
            "one complaint, no consequences:\n{err}"
        );
    }
}

/// Changes one value of a JSON file of the model.
fn change(place: &Workplace, file: &str, key: &str, value: Value) {
    let mut content: Value = serde_json::from_str(&place.read(file)).unwrap();
    content[key] = value;
    place.write(file, content.to_string());
}

#[test]
fn a_sound_model_is_taken() {
    let place = sound();
    let printed = place
        .engraft(&["probe", "--model", "model", "--data", "houses.jsonl"])
        .done();
    assert!(printed.contains("completions, data"), "{printed}");
}

#[test]
fn a_weight_file_that_is_cut_short_or_something_else_is_named() {
    let place = sound();
    let whole = std::fs::read(place.path(FILE)).unwrap();
    for (bytes, said) in [
        (
            whole[..whole.len() - 3].to_vec(),
            &["the file is cut short", "download it again"][..],
        ),
        (whole[..100].to_vec(), &["says its header has", "cut short"]),
        (whole[..5].to_vec(), &["too short for a safetensors file"]),
        (
            [&(1u64 << 60).to_le_bytes()[..], &whole[8..]].concat(),
            &["1152921504606846976 bytes"],
        ),
        (
            [&2u64.to_le_bytes()[..], b"{]", &[0; 64]].concat(),
            &["header that is not JSON"],
        ),
        (gzip(&whole), &["cut short or no safetensors file"]),
    ] {
        place.write(FILE, bytes);
        refuses(&place, &[&[FILE][..], said].concat());
    }
    std::fs::remove_file(place.path(FILE)).unwrap();
    refuses(&place, &[FILE, "cannot be opened", "safetensors"]);
}

#[test]
fn tensors_that_overlap_lie_about_their_size_or_are_nan_are_named() {
    let place = sound();
    let wte = "transformer.wte.weight";
    let wpe = "transformer.wpe.weight";
    let spoil = |how: &dyn Fn(&mut Weights)| {
        trained_model(&place, "model");
        let mut weights = Weights::read(&place, FILE);
        how(&mut weights);
        weights.write(&place, FILE);
    };

    spoil(&|weights| {
        let first = weights.header[wte]["data_offsets"][0].as_u64().unwrap();
        let length = weights.header[wpe]["shape"].as_array().unwrap().iter();
        let length = length.map(|n| n.as_u64().unwrap()).product::<u64>() * 4;
        weights.header[wpe]["data_offsets"] = json!([first, first + length]);
    });
    refuses(&place, &[FILE, wte, wpe, "overlap"]);

    spoil(&|weights| weights.header[wte]["data_offsets"] = json!([0, 8]));
    refuses(&place, &[FILE, wte, "do not fit its shape"]);

    spoil(&|weights| weights.header[wte]["shape"] = json!([1u64 << 62, 1u64 << 62]));
    refuses(&place, &[FILE, wte, "larger than any memory"]);

    spoil(&|weights| weights.data[4..8].copy_from_slice(&f32::NAN.to_le_bytes()));
    refuses(&place, &[FILE, wte, "holds NaN at place 1"]);

    spoil(&|weights| weights.header[wte]["dtype"] = json!("I32"));
    refuses(&place, &[FILE, wte, "is I32", "convert it to F32"]);

    spoil(&|weights| {
        let header = weights.header.as_object_mut().unwrap();
        let tensor = header.remove(wpe).unwrap();
        header.insert("something.else".to_owned(), tensor);
    });
    refuses(
        &place,
        &[FILE, wpe, "is missing", "belongs to another model"],
    );
}

#[test]
fn weights_of_another_shape_than_the_config_says_are_named_tensor_by_tensor() {
    let place = sound();
    change(&place, "model/config.json", "n_positions", json!(33));
    refuses(
        &place,
        &[
            FILE,
            "transformer.wpe.weight",
            "has shape [32, 16]",
            "[33, 16]",
        ],
    );

    trained_model(&place, "model");
    change(&place, "model/config.json", "n_layer", json!(2));
    refuses(&place, &[FILE, "transformer.h.1.", "is missing"]);
}

#[test]
fn a_config_that_is_damaged_or_asks_for_the_whole_machine_is_refused() {
    let place = sound();
    for (key, value, said) in [
        ("vocab_size", json!(1 << 20), "config.json"),
        ("n_layer", json!(1 << 20), "config.json"),
        ("n_head", json!(0), "n_head is 0"),
        ("n_head", json!(5), "5 heads do not divide"),
        (
            "vocab_size",
            json!("many"),
            "`vocab_size` is missing or no number",
        ),
        (
            "model_type",
            json!("bert"),
            "model_type `bert` is not known",
        ),
    ] {
        trained_model(&place, "model");
        change(&place, "model/config.json", key, value);
        refuses(&place, &["model", said]);
    }
    place.write("model/config.json", "{");
    refuses(
        &place,
        &["model/config.json", "is not JSON", "copy it again"],
    );
    std::fs::remove_file(place.path("model/config.json")).unwrap();
    refuses(
        &place,
        &["model/config.json", "cannot be read", "give a model folder"],
    );
}

#[test]
fn a_tokenizer_that_is_missing_damaged_or_of_another_model_is_refused() {
    let place = sound();
    let file = "model/tokenizer.json";
    let mut tokenizer: Value = serde_json::from_str(&place.read(file)).unwrap();
    let words = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    let more = words.len() as u64;
    words.insert("ß".to_owned(), json!(more));
    place.write(file, tokenizer.to_string());
    let ids = format!("ids up to {more}");
    refuses(
        &place,
        &["model", &ids, "tokenizer belongs to another model"],
    );

    trained_model(&place, "model");
    change(&place, "model/config.json", "eos_token_id", json!(90_000));
    refuses(
        &place,
        &["ids up to 90000", "special tokens in config.json"],
    );

    trained_model(&place, "model");
    place.write(file, "{\"version\": \"1.0\"}");
    refuses(&place, &[file, "is no tokenizer", "copy it again"]);

    std::fs::remove_file(place.path(file)).unwrap();
    refuses(&place, &["model has no tokenizer.json", "copy it"]);
}

#[test]
fn two_models_that_read_different_tokens_cannot_share_a_recipe() {
    let place = sound();
    place.write("other.txt", "zyxwvu tsrqpo ".repeat(30));
    let words = [
        "train",
        "--model",
        TINY_GPT,
        "--data",
        "other.txt",
        "--steps",
        "1",
        "--out",
        "run",
    ];
    place.engraft(&words).done();
    let distill = [
        "distill",
        "--teacher",
        "model",
        "--student",
        "run/models/trained",
        "--data",
        "houses.jsonl",
        "--out",
        "out",
    ];
    let said = [
        "models.student: ",
        "run/models/trained",
        "another than that of `teacher`",
    ];
    let err = place.refuses(&distill, 1, &said);
    assert_eq!(err.matches("\n  - ").count(), 1, "{err}");
}

#[test]
fn a_method_that_needs_what_the_models_lack_is_refused_with_that_sentence() {
    let place = sound();
    let words = [
        "distill",
        "--teacher",
        "model",
        "--student",
        TINY_GPT,
        "--data",
        "houses.jsonl",
    ];
    let fitnets = [&words[..], &["--method", "fitnets", "--out", "out"]].concat();
    let said = [
        "steps.0.distill: ",
        "`fitnets` needs networks with pooled features",
    ];
    place.refuses(&fitnets, 1, &said);
}

#[test]
fn weights_for_a_built_in_net_must_fit_it() {
    let place = sound();
    let words = |model: &'static str| ["probe", "--model", model, "--data", "houses.jsonl"];
    let wrong =
        "{gpt: {layers: 1, width: 8, heads: 2, context: 32}, weights: model/model.safetensors}";
    place.refuses(
        &words(wrong),
        1,
        &[
            "models.model: ",
            FILE,
            "transformer.wte.weight",
            "has shape",
        ],
    );
    let none = "{gpt: {layers: 1, width: 8, heads: 2}, weights: nowhere.safetensors}";
    place.refuses(
        &words(none),
        1,
        &["nowhere.safetensors", "cannot be opened"],
    );
    let large = "{gpt: {layers: 1000, width: 1000000000, heads: 2}}";
    place.refuses(
        &words(large),
        1,
        &["models.model: gpt: needs ", "make it smaller"],
    );
}
