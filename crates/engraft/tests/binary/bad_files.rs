//! Data that is broken, empty or of the wrong kind.

use crate::support::{TINY_GPT, Workplace, cifar, gzip, idx, records};

const MLP: &str = "{mlp: {widths: [4]}}";

/// Training on this data is refused, with these words.
#[track_caller]
fn refuses(place: &Workplace, model: &str, data: &str, said: &[&str]) {
    let words = [
        "train", "--model", model, "--data", data, "--steps", "2", "--out", "out",
    ];
    let err = place.refuses(&words, 1, said);
    assert_eq!(
        err.matches("\n  - ").count(),
        1,
        "one complaint, no consequences:\n{err}"
    );
}

#[test]
fn texts_that_cannot_be_read_are_named_with_line_and_way_out() {
    let place = Workplace::new();
    let two = "{\"text\": \"one two\"}\n";
    for (name, content, said) in [
        ("empty.txt", &b""[..], &["is empty", "give a file"][..]),
        ("blank.txt", b" \n\n", &["only white space", "give a file"]),
        (
            "short.txt",
            b"abc",
            &["fewer than one window of 33 needs", "lower `context`"],
        ),
        (
            "latin.txt",
            b"fine\ncaf\xe9 au lait\n",
            &["line 2", "not UTF-8", "iconv"],
        ),
        (
            "one.jsonl",
            two.as_bytes(),
            &["a single record", "at least two lines"],
        ),
        (
            "torn.jsonl",
            b"{\"text\": \"a\"}\n{\"text\": \"b",
            &["line 2", "not JSON"],
        ),
        (
            "list.jsonl",
            b"[1]\n[2]\n",
            &["line 1", "not a JSON object"],
        ),
        (
            "other.jsonl",
            b"{\"txt\": \"a\"}\n{\"txt\": \"b\"}\n",
            &["line 1", "[txt]", "needs `text`"],
        ),
        (
            "half.jsonl",
            b"{\"prompt\": \"a\"}\n{}\n",
            &["line 1", "`completion` is missing"],
        ),
        (
            "number.jsonl",
            b"{\"text\": 1}\n{}\n",
            &["line 1", "not a string", "quote it"],
        ),
        (
            "latin.jsonl",
            b"{\"text\": \"a\"}\n{\"text\": \"\xe9\"}\n",
            &["line 2", "not UTF-8"],
        ),
        (
            "torn.txt.gz",
            &gzip("text ".repeat(99))[..20],
            &["gzip data is cut short", "fetch it"],
        ),
    ] {
        place.write(name, content);
        refuses(
            &place,
            TINY_GPT,
            name,
            &[&["data.data: ", name], said].concat(),
        );
    }
    refuses(
        &place,
        TINY_GPT,
        "nowhere.txt",
        &["nowhere.txt", "cannot be read", "check the path"],
    );
    std::fs::create_dir(place.path("folder.txt")).unwrap();
    refuses(
        &place,
        TINY_GPT,
        "folder.txt",
        &["folder.txt", "cannot be read", "directory"],
    );
}

#[test]
fn a_file_whose_kind_does_not_show_is_asked_about() {
    let place = Workplace::new();
    place.write("data.csv", "a,b\n");
    let words = [
        "train", "--model", TINY_GPT, "--data", "data.csv", "--out", "out",
    ];
    place.refuses(
        &words,
        1,
        &["data.csv", ".jsonl, .txt or .bin", "{text: data.csv}"],
    );
    let broken = [
        "train", "--model", TINY_GPT, "--data", "{text: [", "--out", "out",
    ];
    place.refuses(&broken, 1, &["`{text: [` is not YAML"]);
}

#[test]
fn images_that_cannot_be_read_are_named_with_the_way_out() {
    let place = Workplace::new();
    let whole = cifar(&[0, 1, 2]);
    for (name, content, said) in [
        ("empty.bin", &b""[..], &["is empty"][..]),
        (
            "short.bin",
            &whole[1..],
            &["9218 bytes long", "3073", "\"binary version\""],
        ),
        (
            "label.bin",
            &cifar(&[0, 10]),
            &["record 1 has class 10", "above 9"],
        ),
    ] {
        place.write(name, content);
        refuses(&place, MLP, name, &[&["data.data: ", name], said].concat());
    }
}

#[test]
fn idx_files_that_lie_or_do_not_belong_together_are_refused() {
    let place = Workplace::new();
    let (images, labels) = idx(&[0, 1, 2]);
    let mut magic = images.clone();
    magic[2] = 0x0d;
    let mut many = images.clone();
    many[4..16].fill(0xff);
    place.write("images", &images);
    place.write("labels", &labels);
    for (name, content, said) in [
        ("magic", &magic[..], "starts with [00, 00, 0d, 03]"),
        ("many", &many, "its header promises"),
        ("torn", &images[..images.len() - 1], "its header promises"),
        ("header", &images[..10], "ends inside its header"),
        ("swapped", &labels, "check which file is which"),
    ] {
        place.write(name, content);
        let data = format!("{{idx: {{images: {name}, labels: labels}}}}");
        refuses(&place, MLP, &data, &["data.data: ", name, said]);
    }
    place.write("two-labels", &idx(&[0, 1]).1);
    let data = "{idx: {images: images, labels: two-labels}}";
    refuses(
        &place,
        MLP,
        data,
        &["two-labels: holds 2 labels for the 3 images of", "images"],
    );
    refuses(
        &place,
        MLP,
        "{idx: {images: images}}",
        &["data.data.idx", "needs the key `labels`"],
    );

    let (images, labels) = idx(&[0, 3]);
    place.write("test-images", images);
    place.write("test-labels", labels);
    let data = "{idx: {images: images, labels: labels, test_images: test-images, test_labels: test-labels}}";
    refuses(
        &place,
        MLP,
        data,
        &[
            "the test images have the class 3",
            "0 to 2",
            "belong together",
        ],
    );
}

#[test]
fn data_of_a_kind_the_model_does_not_read_is_refused() {
    let place = Workplace::new();
    place.write("houses.jsonl", records(6));
    place.write("train.bin", cifar(&[0, 1, 2]));
    refuses(
        &place,
        MLP,
        "houses.jsonl",
        &["models.model: ", "`mlp` reads images"],
    );
    refuses(
        &place,
        "{resnet: {depth: 8}}",
        "houses.jsonl",
        &["`resnet` reads images"],
    );
    refuses(
        &place,
        TINY_GPT,
        "train.bin",
        &["models.model: ", "`gpt` reads text"],
    );
}

#[test]
fn images_of_another_size_than_the_model_was_made_for_are_refused() {
    let place = Workplace::new();
    place.write("train.bin", cifar(&(0..10).collect::<Vec<u8>>()));
    let words = [
        "train",
        "--model",
        MLP,
        "--data",
        "train.bin",
        "--steps",
        "1",
        "--out",
        "run",
    ];
    place.engraft(&words).done();
    let (images, labels) = idx(&(0..10).collect::<Vec<u8>>());
    place.write("images", images);
    place.write("labels", labels);
    let data = "{idx: {images: images, labels: labels}}";
    let said = [
        "on `data`",
        "1 x 6 x 6 (channels, height, width)",
        "not what the model was made for",
    ];
    refuses(&place, "run/models/trained", data, &said);
    let (images, labels) = idx(&[0, 1]);
    place.write("images", images);
    place.write("labels", labels);
    refuses(
        &place,
        "run/models/trained",
        data,
        &["the data has 2 classes, the model 10"],
    );
}
