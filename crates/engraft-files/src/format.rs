//! How numbers are written: plain, or in blocks of 32 with a scale (and a minimum).

use half::{bf16, f16};

/// A tensor type of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    F32,
    F16,
    Bf16,
    /// Scale; 4 bits a number, offset by 8.
    Q4_0,
    /// Scale and minimum; 4 bits a number.
    Q4_1,
    /// Scale; 8 bits a number.
    Q8_0,
}

impl Format {
    /// By the number that files use.
    pub fn of(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// Numbers a block holds.
    pub fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q8_0 => 32,
        }
    }

    /// Bytes a block takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 4 + 16,
            Self::Q8_0 => 2 + 32,
        }
    }

    /// The numbers that these whole blocks hold.
    pub fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(bytes.len() / self.bytes() * self.block());
        for block in bytes.chunks_exact(self.bytes()) {
            self.unpack(block, &mut numbers);
        }
        numbers
    }

    fn unpack(self, block: &[u8], out: &mut Vec<f32>) {
        let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
        match self {
            Self::F32 => out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
            Self::F16 => out.push(half(0)),
            Self::Bf16 => out.push(bf16::from_le_bytes([block[0], block[1]]).to_f32()),
            Self::Q4_0 => {
                let scale = half(0);
                nibbles(&block[2..], |q| scale * (f32::from(q) - 8.0), out);
            }
            Self::Q4_1 => {
                let (scale, minimum) = (half(0), half(2));
                nibbles(&block[4..], |q| scale * f32::from(q) + minimum, out);
            }
            Self::Q8_0 => {
                let scale = half(0);
                let steps = block[2..].iter();
                out.extend(steps.map(|&q| scale * f32::from(q as i8)));
            }
        }
    }
}

/// The low halves of 16 bytes are the first 16 numbers, the high halves the others.
fn nibbles(bytes: &[u8], number: impl Fn(u8) -> f32, out: &mut Vec<f32>) {
    out.extend(bytes.iter().map(|byte| number(byte & 15)));
    out.extend(bytes.iter().map(|byte| number(byte >> 4)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(x: f32) -> [u8; 2] {
        f16::from_f32(x).to_le_bytes()
    }

    #[test]
    fn blocks_are_unpacked_low_halves_first() {
        let codes: Vec<u8> = (0..16).map(|i| i | (15 - i) << 4).collect();
        let q4_0 = [&half(0.5)[..], &codes].concat();
        let found = Format::Q4_0.numbers(&q4_0);
        assert_eq!(
            (found[0], found[15], found[16], found[31]),
            (-4.0, 3.5, 3.5, -4.0)
        );
        let q4_1 = [&half(0.5)[..], &half(-1.0), &codes].concat();
        let found = Format::Q4_1.numbers(&q4_1);
        assert_eq!(
            (found[0], found[15], found[16], found[31]),
            (-1.0, 6.5, 6.5, -1.0)
        );
        let steps: Vec<u8> = (0..32).map(|i| (i as i8 - 16) as u8).collect();
        let q8_0 = [&half(2.0)[..], &steps].concat();
        let found = Format::Q8_0.numbers(&q8_0);
        assert_eq!((found[0], found[16], found[31]), (-32.0, 0.0, 30.0));
        assert_eq!(Format::F16.numbers(&half(1.5)), [1.5]);
        assert_eq!(
            Format::Bf16.numbers(&bf16::from_f32(-2.0).to_le_bytes()),
            [-2.0]
        );
        assert_eq!(Format::F32.numbers(&0.1f32.to_le_bytes()), [0.1]);
    }
}
