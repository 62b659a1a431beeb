//! Small data files of every kind.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes.as_ref()).expect("memory takes all");
    packed.finish().expect("memory takes all")
}

/// Questions with answers, one JSON object a line.
pub fn records(count: usize) -> String {
    let line = |index: usize| {
        let colour = ["red", "green", "blue"][index % 3];
        format!(
            "{{\"prompt\": \"Which colour is house {index}?\", \"completion\": \" {colour}\"}}\n"
        )
    };
    (0..count).map(line).collect()
}

/// CIFAR-10 records of these classes; the class shows in the brightness.
pub fn cifar(classes: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, &class) in classes.iter().enumerate() {
        bytes.push(class);
        bytes.extend((0..3 * 32 * 32).map(|at| brightness(class, index, at)));
    }
    bytes
}

/// A pair of IDX files, images of 6 x 6 and labels.
pub fn idx(classes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let count = (classes.len() as u32).to_be_bytes();
    let side = 6u32.to_be_bytes();
    let mut images = [&[0, 0, 8, 3], &count[..], &side, &side].concat();
    for (index, &class) in classes.iter().enumerate() {
        images.extend((0..36).map(|at| brightness(class, index, at)));
    }
    (images, [&[0, 0, 8, 1], &count[..], classes].concat())
}

fn brightness(class: u8, index: usize, at: usize) -> u8 {
    let noise = (index * 7 + at * 13) % 20;
    class * 20 + noise as u8
}
