//! GGUF files as models: one that is sound is measured and taught, any other is refused by name.

use crate::support::{Gguf, Workplace};

const FACTS: &str = "{\"fact\": \"The flag of Velm is red.\", \"answer\": \"red\"}\n";

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("book.txt", "the cat sat on the mat. ".repeat(20));
    place.write("facts.jsonl", FACTS);
    place
}

const PROBE: [&str; 5] = ["probe", "--model", "tiny.gguf", "--data", "book.txt"];
const TEACH: [&str; 7] = [
    "teach",
    "--model",
    "tiny.gguf",
    "--facts",
    "facts.jsonl",
    "--out",
    "out",
];

#[test]
fn a_sound_file_is_measured_taught_and_written_as_a_folder() {
    let place = place();
    place.write("tiny.gguf", Gguf::sound().bytes());
    assert!(place.engraft(&PROBE).done().contains("perplexity"));
    let budget = ["--rank", "4", "--steps", "3", "--warmup", "1"];
    place.engraft(&[&TEACH[..], &budget].concat()).done();
    let words = [
        "probe",
        "--model",
        "out/models/taught",
        "--data",
        "book.txt",
    ];
    place.engraft(&words).done();
}

#[test]
fn every_way_a_file_can_be_wrong_is_one_error_that_names_it() {
    let place = place();
    let changed = |change: fn(&mut Gguf)| {
        let mut file = Gguf::sound();
        change(&mut file);
        file.bytes()
    };
    let whole = Gguf::sound().bytes();
    let cases: [(Vec<u8>, &[&str]); 9] = [
        (whole[..20].to_vec(), &["ends too early"]),
        (
            whole[..whole.len() - 64].to_vec(),
            &[
                "blk.0.ffn_down.weight",
                "outside the file",
                "download it again",
            ],
        ),
        (
            changed(|f| f.magic = *b"GGML"),
            &["does not start with GGUF"],
        ),
        (
            changed(|f| f.version = 9),
            &["version 9", "known are 2 and 3"],
        ),
        (changed(|f| f.shift = 1 << 40), &["outside the file"]),
        (
            changed(|f| f.tensors[0].2 = 12),
            &[
                "token_embd.weight",
                "type 12",
                "known are F32, F16, BF16, Q4_0, Q4_1 and Q8_0",
            ],
        ),
        (
            changed(|f| f.tensors[0].1 = vec![8, 256]),
            &["token_embd.weight", "[256, 8]", "the metadata say [257, 8]"],
        ),
        (
            changed(|f| drop(f.tensors.pop())),
            &["`blk.0.ffn_down.weight` is missing"],
        ),
        (
            changed(|f| f.set("llama.block_count", u32::MAX.to_le_bytes().to_vec())),
            &["tiny.gguf"],
        ),
    ];
    for (bytes, said) in cases {
        place.write("tiny.gguf", bytes);
        let said = [&["models.model", "tiny.gguf"][..], said].concat();
        place.refuses(&PROBE, 1, &said);
        place.refuses(&TEACH, 1, &said);
    }
}
