//! TensorBoard event files: scalar summaries in protobuf inside TFRecord frames.
//!
//! Written by hand because it is two small formats (tensorflow's `event.proto`, `summary.proto`
//! and `record_writer`): a frame is `u64 length, u32 crc(length), bytes, u32 crc(bytes)`, little
//! endian, with CRC-32C rotated and shifted so that a record may hold records.

use std::io::{self, Write};

/// Writes scalar events to a stream.
pub struct EventWriter<W: Write> {
    out: W,
}

impl<W: Write> EventWriter<W> {
    /// Starts a file; `wall_time` in seconds since 1970.
    pub fn new(out: W, wall_time: f64) -> io::Result<Self> {
        let mut writer = Self { out };
        let mut event = Vec::new();
        double(&mut event, 1, wall_time);
        bytes(&mut event, 3, b"brain.Event:2");
        writer.record(&event)?;
        Ok(writer)
    }

    /// Appends the scalars of one step and flushes.
    pub fn scalars(
        &mut self,
        wall_time: f64,
        step: u64,
        scalars: &[(&str, f64)],
    ) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, tag.as_bytes());
            float(&mut entry, 2, *value as f32);
            bytes(&mut summary, 1, &entry);
        }
        let mut event = Vec::new();
        double(&mut event, 1, wall_time);
        varint(&mut event, 2 << 3);
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.record(&event)?;
        self.out.flush()
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        self.out.write_all(&length)?;
        self.out.write_all(&masked_crc(&length).to_le_bytes())?;
        self.out.write_all(data)?;
        self.out.write_all(&masked_crc(data).to_le_bytes())
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend(value.to_le_bytes());
}

fn float(out: &mut Vec<u8>, field: u64, value: f32) {
    varint(out, field << 3 | 5);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78).
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    !data.iter().fold(!0, |crc: u32, byte| {
        crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize]
    })
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut entry = 0;
    while entry < 256 {
        let mut crc = entry as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[entry] = crc;
        entry += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        // Check value of CRC-32/ISCSI, and RFC 3720 B.4: 32 bytes of zeros.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// Splits a file into records, checking both checksums of each.
    fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !file.is_empty() {
            let (length, rest) = file.split_at(8);
            let (length_crc, rest) = rest.split_at(4);
            assert_eq!(length_crc, masked_crc(length).to_le_bytes());
            let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let (data, rest) = rest.split_at(length);
            let (data_crc, rest) = rest.split_at(4);
            assert_eq!(data_crc, masked_crc(data).to_le_bytes());
            found.push(data.to_vec());
            file = rest;
        }
        found
    }

    #[derive(Debug, PartialEq)]
    enum Field {
        Number(u64),
        Double(f64),
        Float(f32),
        Bytes(Vec<u8>),
    }

    /// Decodes one protobuf message into (field number, value).
    fn fields(mut message: &[u8]) -> Vec<(u64, Field)> {
        fn varint(message: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = message[0];
                *message = &message[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut found = Vec::new();
        while !message.is_empty() {
            let key = varint(&mut message);
            let length = match key & 7 {
                0 => {
                    found.push((key >> 3, Field::Number(varint(&mut message))));
                    continue;
                }
                1 => 8,
                5 => 4,
                2 => varint(&mut message) as usize,
                wire => panic!("wire type {wire}"),
            };
            let (data, rest) = message.split_at(length);
            message = rest;
            let value = match key & 7 {
                1 => Field::Double(f64::from_le_bytes(data.try_into().unwrap())),
                5 => Field::Float(f32::from_le_bytes(data.try_into().unwrap())),
                _ => Field::Bytes(data.to_vec()),
            };
            found.push((key >> 3, value));
        }
        found
    }

    #[test]
    fn written_scalars_are_read_back_with_their_step_tag_and_value() {
        let mut file = Vec::new();
        let mut writer = EventWriter::new(&mut file, 1.5).unwrap();
        let scalars = [("loss", 0.25), ("lr", 1e-3)];
        writer.scalars(2.5, 300, &scalars).unwrap();
        let records = records(&file);
        assert_eq!(records.len(), 2);
        let version = Field::Bytes(b"brain.Event:2".to_vec());
        assert_eq!(fields(&records[0]), [(1, Field::Double(1.5)), (3, version)]);
        let event = fields(&records[1]);
        assert_eq!(event[0], (1, Field::Double(2.5)));
        assert_eq!(event[1], (2, Field::Number(300)));
        let (5, Field::Bytes(summary)) = &event[2] else {
            panic!("no summary in {event:?}");
        };
        let entries: Vec<_> = fields(summary)
            .into_iter()
            .map(|entry| match entry {
                (1, Field::Bytes(entry)) => fields(&entry),
                other => panic!("{other:?}"),
            })
            .collect();
        let tag = |name: &str| Field::Bytes(name.as_bytes().to_vec());
        assert_eq!(
            entries,
            [
                vec![(1, tag("loss")), (2, Field::Float(0.25))],
                vec![(1, tag("lr")), (2, Field::Float(1e-3))],
            ]
        );
    }
}
