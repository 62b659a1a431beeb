//! A user's own images: CIFAR binary and IDX files, packed or not, into MLPs and ResNets.

use crate::support::{Workplace, cifar, gzip, idx, measured, numbers};

const MLP: &str = "{mlp: {widths: [16]}}";

fn classes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 7 % 10) as u8).collect()
}

#[test]
fn an_mlp_learns_cifar_files_and_a_student_learns_from_it() {
    let place = Workplace::new();
    place.write("train.bin", cifar(&classes(60)));
    place.write("test.bin", cifar(&classes(20)));
    let data = [
        "--data",
        "{cifar: train.bin, augment: false}",
        "--test",
        "test.bin",
    ];
    let budget = [
        "--steps", "150", "--batch", "20", "--warmup", "5", "--lr", "1e-2",
    ];
    let train = ["train", "--model", MLP, "--out", "taught"];
    place.engraft(&[&train[..], &data, &budget].concat()).done();
    let accuracy = measured(&place, "taught/ledger.jsonl", "accuracy on data, held out");
    assert!(accuracy > 0.5, "ten classes, chance is 0.1: {accuracy}");

    let student = [
        "--teacher",
        "taught/models/trained",
        "--student",
        MLP,
        "--method",
        "hinton",
    ];
    let distill = [
        &["distill", "--out", "distilled"][..],
        &student,
        &data,
        &budget,
    ]
    .concat();
    place.engraft(&distill).done();
    let accuracy = measured(
        &place,
        "distilled/ledger.jsonl",
        "accuracy on data, held out",
    );
    assert!(accuracy > 0.5, "{accuracy}");
}

#[test]
fn a_resnet_trains_on_cifar_files_and_comes_back_from_its_folder() {
    let place = Workplace::new();
    place.write("train.bin", cifar(&classes(20)));
    let words = [
        "train",
        "--model",
        "{resnet: {depth: 8}}",
        "--data",
        "train.bin",
        "--out",
        "run",
    ];
    let budget = ["--steps", "4", "--batch", "10", "--warmup", "1"];
    place.engraft(&[&words[..], &budget].concat()).done();
    let entered = measured(
        &place,
        "run/ledger.jsonl",
        "accuracy on data, training images",
    );
    let words = [
        "probe",
        "--model",
        "run/models/trained",
        "--data",
        "train.bin",
        "--json",
    ];
    let probed = place.engraft(&words).done();
    let probed: serde_json::Value = serde_json::from_str(probed.trim()).unwrap();
    assert_eq!(probed["value"], entered, "running statistics are saved too");
    assert_eq!(
        (&probed["n"], &probed["on_training_data"]),
        (&20.into(), &true.into())
    );
}

#[test]
fn packed_images_give_the_same_numbers() {
    let place = Workplace::new();
    let pixels = cifar(&classes(12));
    place.write("a.bin", &pixels);
    place.write("b.bin.gz", gzip(&pixels));
    let (images, labels) = idx(&classes(12));
    for (name, bytes) in [("images", &images), ("labels", &labels)] {
        place.write(name, bytes);
        place.write(&format!("{name}.gz"), gzip(bytes));
    }
    let pairs = [
        ("a.bin", "b.bin.gz"),
        (
            "{idx: {images: images, labels: labels}}",
            "{idx: {images: images.gz, labels: labels.gz}}",
        ),
    ];
    for (index, (plain, packed)) in pairs.into_iter().enumerate() {
        let run = |data: &str, out: &str| {
            let words = ["train", "--model", MLP, "--data", data, "--out", out];
            let budget = ["--steps", "5", "--batch", "4"];
            place.engraft(&[&words[..], &budget].concat()).done();
            numbers(&place, format!("{out}/ledger.jsonl"))
        };
        let plain = run(plain, &format!("plain-{index}"));
        assert_eq!(run(packed, &format!("packed-{index}")), plain);
    }
}

#[test]
fn idx_images_are_learned_and_measured_on_their_test_files() {
    let place = Workplace::new();
    for (kind, count) in [("train", 60), ("test", 20)] {
        let (images, labels) = idx(&classes(count));
        place.write(&format!("{kind}-images"), images);
        place.write(&format!("{kind}-labels"), labels);
    }
    let data = "{idx: {images: train-images, labels: train-labels, \
                test_images: test-images, test_labels: test-labels}}";
    let words = ["train", "--model", MLP, "--data", data, "--out", "run"];
    let budget = [
        "--steps", "150", "--batch", "20", "--warmup", "5", "--lr", "1e-2",
    ];
    place.engraft(&[&words[..], &budget].concat()).done();
    let accuracy = measured(&place, "run/ledger.jsonl", "accuracy on data, held out");
    assert!(accuracy > 0.5, "ten classes, chance is 0.1: {accuracy}");
}
