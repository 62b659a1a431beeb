//! Readers of CIFAR-10's binary files and of IDX files (MNIST), plain or gzip.

use std::path::Path;

use crate::data::{
    DataError, Images,
    file::{self, LARGEST},
};

/// A CIFAR-10 record: a class, then 32 x 32 red, green and blue bytes.
const CIFAR_RECORD: usize = 1 + 3 * 32 * 32;

/// Reads CIFAR-10 "binary version" files, one after the other.
///
/// # Errors
/// Unreadable, empty or truncated files, files whose length is no multiple of a record, classes
/// above 9.
pub fn read_cifar10(paths: &[impl AsRef<Path>]) -> Result<Images, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in paths {
        let path = path.as_ref();
        let bytes = file::read(path, LARGEST)?;
        if bytes.len() % CIFAR_RECORD != 0 {
            let problem = format!(
                "is {} bytes long, no multiple of the {CIFAR_RECORD} of a CIFAR-10 record; use the \
                 \"binary version\" of the data, whole",
                bytes.len()
            );
            return Err(DataError::file(path, problem));
        }
        for (index, record) in bytes.chunks_exact(CIFAR_RECORD).enumerate() {
            if record[0] > 9 {
                let problem = format!(
                    "record {index} has class {}, above 9; use the \"binary version\" of CIFAR-10",
                    record[0]
                );
                return Err(DataError::file(path, problem));
            }
            labels.push(record[0]);
            pixels.extend_from_slice(&record[1..]);
        }
    }
    if labels.is_empty() {
        return Err(DataError::setting(
            "images",
            "no file is named; name at least one",
        ));
    }
    Ok(Images {
        shape: [labels.len(), 3, 32, 32],
        pixels,
        labels,
        classes: 10,
    })
}

/// Reads a pair of IDX files: images `[n, height, width]` of bytes and labels `[n]` of bytes.
///
/// # Errors
/// Unreadable, empty or truncated files, another magic number or element type, counts that the
/// file does not hold, two files of different counts.
pub fn read_idx(images: &Path, labels: &Path) -> Result<Images, DataError> {
    let (shape, pixels) = idx(images, 3)?;
    let (label_shape, classes) = idx(labels, 1)?;
    let [count, height, width] = [shape[0], shape[1], shape[2]];
    if label_shape[0] != count {
        let problem = format!(
            "holds {} labels for the {count} images of {}; use the file that belongs to them",
            label_shape[0],
            images.display()
        );
        return Err(DataError::file(labels, problem));
    }
    if pixels.is_empty() {
        return Err(DataError::file(
            images,
            "holds no pixels; use a file with images",
        ));
    }
    Ok(Images {
        shape: [count, 1, height, width],
        pixels,
        classes: classes
            .iter()
            .max()
            .map_or(0, |&class| usize::from(class) + 1),
        labels: classes,
    })
}

/// The dimensions and bytes of an IDX file of unsigned bytes.
fn idx(path: &Path, dimensions: usize) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let mut bytes = file::read(path, LARGEST)?;
    let header = 4 + 4 * dimensions;
    let magic = [0, 0, 8, dimensions as u8];
    if !bytes.starts_with(&magic) {
        let problem = format!(
            "starts with {:02x?}, not the {magic:02x?} of an IDX file of bytes in {dimensions} \
             dimensions; check which file is which",
            &bytes[..bytes.len().min(4)]
        );
        return Err(DataError::file(path, problem));
    }
    if bytes.len() < header {
        return Err(DataError::file(
            path,
            "ends inside its header; fetch it again",
        ));
    }
    let counts = bytes[4..header].chunks_exact(4);
    let shape: Vec<usize> = counts
        .map(|count| u32::from_be_bytes([count[0], count[1], count[2], count[3]]) as usize)
        .collect();
    let promised = shape
        .iter()
        .try_fold(1usize, |size, &count| size.checked_mul(count));
    let held = bytes.len() - header;
    if promised != Some(held) {
        let problem =
            format!("its header promises {shape:?} bytes, but {held} follow; fetch it again");
        return Err(DataError::file(path, problem));
    }
    bytes.drain(..header);
    Ok((shape, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::{fs, io::Write, path::PathBuf};

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn idx_file(shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    #[test]
    fn cifar_records_are_read_in_order_from_several_files() {
        let folder = tempfile::tempdir().unwrap();
        let record = |class: u8, fill: u8| {
            let mut record = vec![class];
            record.resize(CIFAR_RECORD, fill);
            record
        };
        let first = write(
            folder.path(),
            "a.bin",
            &[record(3, 1), record(9, 2)].concat(),
        );
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&record(0, 3)).unwrap();
        let second = write(folder.path(), "b.bin.gz", &packed.finish().unwrap());
        let images = read_cifar10(&[first, second]).unwrap();
        assert_eq!(images.labels, [3, 9, 0]);
        assert_eq!(images.shape, [3, 3, 32, 32]);
        assert_eq!(
            [images.pixels[0], images.pixels[3072], images.pixels[6144]],
            [1, 2, 3]
        );

        let short = write(folder.path(), "short.bin", &record(0, 0)[1..]);
        let message = read_cifar10(&[short]).unwrap_err().to_string();
        assert!(
            message.contains("short.bin") && message.contains("3073"),
            "{message}"
        );
        let wrong = write(folder.path(), "wrong.bin", &record(10, 0));
        let message = read_cifar10(&[wrong]).unwrap_err().to_string();
        assert!(message.contains("record 0 has class 10"), "{message}");
        assert!(read_cifar10(&[] as &[PathBuf]).is_err());
    }

    #[test]
    fn idx_images_and_labels_are_read_together() {
        let folder = tempfile::tempdir().unwrap();
        let images = write(
            folder.path(),
            "images",
            &idx_file(&[2, 1, 2], &[1, 2, 3, 4]),
        );
        let labels = write(folder.path(), "labels", &idx_file(&[2], &[7, 0]));
        let read = read_idx(&images, &labels).unwrap();
        assert_eq!(read.shape, [2, 1, 1, 2]);
        assert_eq!(
            (read.pixels, read.labels, read.classes),
            (vec![1, 2, 3, 4], vec![7, 0], 8)
        );
    }

    #[test]
    fn idx_files_that_lie_are_refused_without_believing_them() {
        let folder = tempfile::tempdir().unwrap();
        let labels = write(folder.path(), "labels", &idx_file(&[2], &[7, 0]));
        let refused = |bytes: &[u8], words: &str| {
            let images = write(folder.path(), "images", bytes);
            let message = read_idx(&images, &labels).unwrap_err().to_string();
            assert!(
                message.contains("images") && message.contains(words),
                "{message}"
            );
        };
        refused(&idx_file(&[u32::MAX, u32::MAX, u32::MAX], &[1]), "promises");
        refused(&idx_file(&[2, 1, 2], &[1, 2, 3]), "fetch it again");
        refused(&idx_file(&[2], &[7, 0]), "check which file is which");
        refused(&[0, 0, 8, 3, 0, 0], "ends inside its header");
        refused(&[0, 0, 0x0d, 3, 0, 0], "[00, 00, 0d, 03]");
        refused(&idx_file(&[2, 0, 2], &[]), "no pixels");
        let images = write(folder.path(), "images", &idx_file(&[1, 1, 1], &[1]));
        let message = read_idx(&images, &labels).unwrap_err().to_string();
        assert!(message.contains("2 labels for the 1 images"), "{message}");
    }
}
