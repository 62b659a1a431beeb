//! Quantised weights in the order in which the kernels read them.
//!
//! Sixteen rows stand side by side. A block of 32 columns of such a group holds first the codes, so
//! that 64 bytes are four columns of all sixteen rows, then the sixteen scales and, where the format
//! has them, the sixteen minima, all as 16-bit floats.

use engraft_files::{Format, Stored, WeightsError};
use half::f16;

/// Rows of a group.
pub(crate) const ROWS: usize = 16;
/// Columns of a block.
pub(crate) const BLOCK: usize = 32;

/// How the codes of a block are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codes {
    /// Four bits, `scale * (code - 8)`.
    Four,
    /// Four bits, `scale * code + minimum`.
    FourMin,
    /// Eight bits, `scale * (code - 128)`.
    Eight,
}

impl Codes {
    /// Bytes of the codes of a block of a group.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Four | Self::FourMin => ROWS * BLOCK / 2,
            Self::Eight => ROWS * BLOCK,
        }
    }

    /// Bytes of a whole block of a group.
    pub const fn block(self) -> usize {
        match self {
            Self::Four | Self::Eight => self.bytes() + 2 * ROWS,
            Self::FourMin => self.bytes() + 4 * ROWS,
        }
    }

    /// What stands for zero.
    pub const fn zero(self) -> i32 {
        match self {
            Self::Four => 8,
            Self::FourMin => 0,
            Self::Eight => 128,
        }
    }
}

/// A matrix of quantised weights, `[rows, columns]`.
pub(crate) struct Packed {
    pub codes: Codes,
    /// Blocks of a row.
    pub blocks: usize,
    pub bytes: Vec<u8>,
}

impl Packed {
    /// From a file's tensor: its blocks as they are, or plain numbers rounded to eight bits.
    ///
    /// # Errors
    /// Numbers that are not finite. The caller has seen that blocks divide the columns.
    pub fn of(stored: &Stored<'_>, columns: usize) -> Result<Self, WeightsError> {
        let codes = match stored.format {
            Format::Q4_0 => Codes::Four,
            Format::Q4_1 => Codes::FourMin,
            Format::Q8_0 | Format::F32 | Format::F16 | Format::Bf16 => Codes::Eight,
        };
        let (rows, blocks) = (stored.rows(), columns / BLOCK);
        let groups = rows.div_ceil(ROWS);
        let mut bytes = vec![0; groups * blocks * codes.block()];
        let mut line = Vec::new();
        for row in 0..rows {
            let file = stored.row(row);
            let file: &[u8] = match stored.format {
                Format::F32 | Format::F16 | Format::Bf16 => {
                    round(&stored.format.numbers(file), &mut line);
                    &line
                }
                _ => file,
            };
            let (group, lane) = (row / ROWS, row % ROWS);
            let length = file.len() / blocks;
            for (block, file) in file.chunks_exact(length).enumerate() {
                let at = (group * blocks + block) * codes.block();
                let out = &mut bytes[at..at + codes.block()];
                place(codes, lane, file, out);
                for (which, half) in halves(codes, file).into_iter().enumerate() {
                    let number = f16::from_le_bytes([half[0], half[1]]);
                    if !number.is_finite() {
                        let name = ["scale", "minimum"][which];
                        return Err(stored.fail(format!(
                            "holds the {name} {number} in row {row}; the file is damaged"
                        )));
                    }
                }
            }
        }
        Ok(Self {
            codes,
            blocks,
            bytes,
        })
    }

    /// The blocks of a group.
    pub fn group(&self, group: usize) -> &[u8] {
        let length = self.blocks * self.codes.block();
        &self.bytes[group * length..(group + 1) * length]
    }

    /// One row in full, for embeddings.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let (group, lane) = (self.group(row / ROWS), row % ROWS);
        for (block, out) in group
            .chunks_exact(self.codes.block())
            .zip(out.chunks_exact_mut(BLOCK))
        {
            let (scale, minimum) = scales(self.codes, block, lane);
            for (column, out) in out.iter_mut().enumerate() {
                let code = f32::from(code(self.codes, block, lane, column));
                *out = scale * code + minimum;
            }
        }
    }
}

/// The 16-bit floats of a file's block.
fn halves(codes: Codes, file: &[u8]) -> Vec<&[u8]> {
    match codes {
        Codes::FourMin => vec![&file[..2], &file[2..4]],
        _ => vec![&file[..2]],
    }
}

/// Puts a file's block of one row into its lane.
fn place(codes: Codes, lane: usize, file: &[u8], out: &mut [u8]) {
    let head = match codes {
        Codes::FourMin => 4,
        _ => 2,
    };
    for (at, &byte) in file[head..].iter().enumerate() {
        let byte = match codes {
            Codes::Eight => byte ^ 0x80,
            _ => byte,
        };
        out[at / 4 * 4 * ROWS + 4 * lane + at % 4] = byte;
    }
    let floats = codes.bytes() + 2 * lane;
    out[floats..floats + 2].copy_from_slice(&file[..2]);
    if codes == Codes::FourMin {
        let floats = floats + 2 * ROWS;
        out[floats..floats + 2].copy_from_slice(&file[2..4]);
    }
}

/// Plain numbers as blocks of a scale and 32 signed bytes, as the files have them.
fn round(numbers: &[f32], out: &mut Vec<u8>) {
    out.clear();
    for block in numbers.chunks_exact(BLOCK) {
        let largest = block.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        // A number that is not finite ends in the scale, where it is found.
        let scale = match block.iter().all(|x| x.is_finite()) {
            true => f16::from_f32(largest / 127.0),
            false => f16::NAN,
        };
        let inverse = match scale.to_f32() {
            0.0 => 0.0,
            scale => 1.0 / scale,
        };
        out.extend(scale.to_le_bytes());
        out.extend(block.iter().map(|x| {
            let code = (x * inverse).round_ties_even().clamp(-127.0, 127.0);
            code as i8 as u8
        }));
    }
}

/// The code of one row and column of a block of a group.
pub(crate) fn code(codes: Codes, block: &[u8], lane: usize, column: usize) -> u8 {
    let at = |column: usize| block[column / 4 * 4 * ROWS + 4 * lane + column % 4];
    match codes {
        Codes::Eight => at(column),
        _ if column < BLOCK / 2 => at(column) & 15,
        _ => at(column - BLOCK / 2) >> 4,
    }
}

/// Scale and minimum of one row of a block of a group: `scale * code + minimum`.
pub(crate) fn scales(codes: Codes, block: &[u8], lane: usize) -> (f32, f32) {
    let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
    let at = codes.bytes() + 2 * lane;
    match codes {
        Codes::FourMin => (half(at), half(at + 2 * ROWS)),
        _ => (half(at), -half(at) * codes.zero() as f32),
    }
}
