//! Whole files, unpacked where they are gzip, never more than a bound.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::data::DataError;

/// Most bytes a data file may unpack to.
pub const LARGEST: u64 = 8 << 30;

/// The bytes of a file, unpacked if it starts like gzip. At most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let unreadable = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let gzip = file
        .fill_buf()
        .map_err(unreadable)?
        .starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    if gzip {
        let unpacked = MultiGzDecoder::new(file)
            .take(limit + 1)
            .read_to_end(&mut bytes);
        unpacked.map_err(|error| {
            let problem =
                format!("the gzip data is cut short or damaged ({error}); fetch it again");
            DataError::file(path, problem)
        })?;
    } else {
        let whole = file.take(limit + 1).read_to_end(&mut bytes);
        whole.map_err(unreadable)?;
    }
    if bytes.len() as u64 > limit {
        let problem = format!("holds more than the {limit} bytes that fit; split or trim the file");
        return Err(DataError::file(path, problem));
    }
    if bytes.is_empty() {
        return Err(DataError::file(path, "is empty; give a file with data"));
    }
    Ok(bytes)
}

/// The text of a file, which must be UTF-8 and hold more than white space. A byte order mark at its
/// beginning is not text and is left out.
pub fn read_utf8(path: &Path) -> Result<String, DataError> {
    let mut text = String::from_utf8(read(path, LARGEST)?).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
            + 1;
        DataError::line(
            path,
            line,
            "is not UTF-8; convert the file (iconv -t utf-8)",
        )
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    if text.trim().is_empty() {
        return Err(DataError::file(
            path,
            "holds only white space; give a file with text",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::{fs, io::Write};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn message(bytes: &[u8], limit: u64) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        fs::write(&path, bytes).unwrap();
        let message = read(&path, limit).unwrap_err().to_string();
        assert!(message.contains("data.bin"), "{message}");
        message
    }

    #[test]
    fn gzip_and_plain_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        for bytes in [b"hello".to_vec(), gzip(b"hello")] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path, 5).unwrap(), b"hello");
        }
    }

    #[test]
    fn truncated_gzip_empty_files_and_bombs_are_named_errors() {
        let packed = gzip(&[7; 1000]);
        assert!(message(&packed[..packed.len() - 3], LARGEST).contains("cut short"));
        assert!(message(b"", LARGEST).contains("empty"));
        assert!(message(&gzip(&vec![0; 1 << 20]), 1000).contains("more than the 1000 bytes"));
    }

    #[test]
    fn a_byte_order_mark_is_not_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, "\u{feff}one\u{feff}").unwrap();
        assert_eq!(read_utf8(&path).unwrap(), "one\u{feff}");
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, b"one\ntwo \xff\n").unwrap();
        let message = read_utf8(&path).unwrap_err().to_string();
        assert!(message.contains("notes.txt, line 2"), "{message}");
        fs::write(&path, b" \n\t\n").unwrap();
        assert!(
            read_utf8(&path)
                .unwrap_err()
                .to_string()
                .contains("white space")
        );
    }
}
