//! The transposed product: from slopes by what a linear map gives to slopes by what it takes.

use half::{f16, slice::HalfFloatSliceExt};

use super::{Matrix, Rows, Weights};
use crate::{
    packed::{BLOCK, Codes, Packed, ROWS},
    team::Team,
    wide::wide,
};

/// Columns of full weights that are summed together.
const STRIP: usize = 64;
/// Columns whose codes stand side by side.
const QUAD: usize = 4;

/// Sums of a block, row by row of its group: `[quads, ROWS, QUAD]`.
type Sums = [[f32; ROWS * QUAD]; BLOCK / QUAD];

impl Matrix {
    /// Adds `W^T slope`, of `[rows]`, to `out`, `[columns]`; the number of threads changes nothing.
    pub fn transposed(&self, slope: &[f32], out: &mut [f32], team: &Team) {
        assert_eq!((slope.len(), out.len()), (self.rows, self.columns));
        let strip = match &self.weights {
            Weights::Full(_) => STRIP,
            Weights::Packed(_) => BLOCK,
        };
        let place = Rows::new(out);
        team.split(self.columns.div_ceil(strip), 1, &|strips| {
            let columns = strips.start * strip..self.columns.min(strips.end * strip);
            // SAFETY: every range of columns is one tile's own.
            let out = unsafe { place.part(columns.start, columns.len()) };
            match &self.weights {
                Weights::Full(all) => {
                    let rows = all.chunks_exact(self.columns);
                    full(rows.map(|row| &row[columns.clone()]), slope, out);
                }
                Weights::Packed(weights) => {
                    for (block, out) in strips.zip(out.chunks_exact_mut(BLOCK)) {
                        packed(weights, block, slope, out);
                    }
                }
            }
        });
    }
}

/// Adds rows, each times its slope.
fn full<'a>(rows: impl Iterator<Item = &'a [f32]>, slope: &[f32], out: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (&slope, row) in slope.iter().zip(rows) {
                for (out, &weight) in out.iter_mut().zip(row) {
                    *out = slope.mul_add(weight, *out);
                }
            }
        },
    );
}

/// The same for the columns of a block.
fn packed(weights: &Packed, block: usize, slope: &[f32], out: &mut [f32]) {
    let (mut sums, mut offset): (Sums, f32) = ([[0.0; ROWS * QUAD]; BLOCK / QUAD], 0.0);
    let (kind, length) = (weights.codes, weights.codes.block());
    for (group, given) in slope.chunks(ROWS).enumerate() {
        let mut slopes = [0.0; ROWS];
        slopes[..given.len()].copy_from_slice(given);
        let block = &weights.group(group)[block * length..(block + 1) * length];
        let (codes, floats) = block.split_at(kind.bytes());
        let (scales, minima) = floats.split_at(2 * ROWS);
        if kind == Codes::FourMin {
            offset += weighted(minima, &slopes).iter().sum::<f32>();
        }
        add_codes(kind, codes, &weighted(scales, &slopes), &mut sums);
    }
    for (out, sums) in out.chunks_exact_mut(QUAD).zip(&sums) {
        for (column, out) in out.iter_mut().enumerate() {
            *out += offset + sums.iter().skip(column).step_by(QUAD).sum::<f32>();
        }
    }
}

/// Sixteen 16-bit floats, each times the slope of its row.
fn weighted(halves: &[u8], slopes: &[f32; ROWS]) -> [f32; ROWS] {
    let mut numbers = [f16::ZERO; ROWS];
    for (number, bytes) in numbers.iter_mut().zip(halves.chunks_exact(2)) {
        *number = f16::from_le_bytes([bytes[0], bytes[1]]);
    }
    let mut weighted = [0.0; ROWS];
    numbers.convert_to_f32_slice(&mut weighted);
    let pairs = weighted.iter_mut().zip(slopes);
    pairs.for_each(|(x, slope)| *x *= slope);
    weighted
}

/// Adds the codes of a block, less what stands for zero, times the factors of their rows.
fn add_codes(kind: Codes, codes: &[u8], factors: &[f32; ROWS], sums: &mut Sums) {
    let zero = kind.zero();
    wide(
        #[inline(always)]
        || {
            let mut spread = [0.0; ROWS * QUAD];
            for (spread, factor) in spread.chunks_exact_mut(QUAD).zip(factors) {
                spread.fill(*factor);
            }
            let quads = codes.chunks_exact(ROWS * QUAD);
            if kind == Codes::Eight {
                for (codes, sums) in quads.zip(sums) {
                    add_quad(codes, |code| i32::from(code) - zero, &spread, sums);
                }
                return;
            }
            let (low, high) = sums.split_at_mut(BLOCK / QUAD / 2);
            for (codes, (low, high)) in quads.zip(low.iter_mut().zip(high)) {
                add_quad(codes, |code| i32::from(code & 15) - zero, &spread, low);
                add_quad(codes, |code| i32::from(code >> 4) - zero, &spread, high);
            }
        },
    );
}

/// The same for four columns, in [`wide`] code.
#[inline(always)]
fn add_quad(
    codes: &[u8],
    number: impl Fn(u8) -> i32,
    factors: &[f32; ROWS * QUAD],
    sums: &mut [f32; ROWS * QUAD],
) {
    for ((sum, &code), &factor) in sums.iter_mut().zip(codes).zip(factors) {
        *sum = factor.mul_add(number(code) as f32, *sum);
    }
}

#[cfg(test)]
mod tests {
    use engraft_files::{Format, Stored};

    use super::*;
    use crate::Precision;

    /// A matrix of the bytes of a file, scales and minima made small.
    fn matrix(format: Format, [rows, columns]: [usize; 2], precision: Precision) -> Matrix {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let length = rows * columns / format.block() * format.bytes();
        let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
        for block in bytes.chunks_exact_mut(format.bytes()) {
            match format {
                Format::F32 => {
                    let number = f32::from(block[0]) / 128.0 - 1.0;
                    block.copy_from_slice(&number.to_le_bytes());
                }
                _ => {
                    let scale = f16::from_f32(f32::from(block[0]) / 999.0);
                    block[..2].copy_from_slice(&scale.to_le_bytes());
                    block[3] &= 0x3b;
                }
            }
        }
        let stored = Stored {
            path: std::path::Path::new("x"),
            name: "w",
            shape: &[rows, columns],
            format,
            bytes: &bytes,
            pairs: None,
        };
        Matrix::of(&stored, [rows, columns], None, precision).unwrap()
    }

    #[test]
    fn a_transposed_product_is_the_sum_of_the_rows_by_their_slopes() {
        use Format::{F32, Q4_0, Q4_1, Q8_0};
        let full = (F32, Precision::F32);
        let packed = [Q4_0, Q4_1, Q8_0, F32].map(|format| (format, Precision::Int8));
        for (format, precision) in [full].into_iter().chain(packed) {
            for shape @ [rows, columns] in [[16, 32], [5, 64], [300, 96], [1000, 32]] {
                let matrix = matrix(format, shape, precision);
                let slope: Vec<f32> = (0..rows).map(|row| (row as f32).sin()).collect();
                let mut wanted = vec![1.0f64; columns];
                let mut line = vec![0.0; columns];
                for (row, slope) in slope.iter().enumerate() {
                    matrix.row(row, &mut line);
                    for (wanted, weight) in wanted.iter_mut().zip(&line) {
                        *wanted += f64::from(*slope) * f64::from(*weight);
                    }
                }
                for threads in [1, 3] {
                    let mut out = vec![1.0; columns];
                    matrix.transposed(&slope, &mut out, &Team::new(threads));
                    for (out, wanted) in out.iter().zip(&wanted) {
                        let off = (f64::from(*out) - wanted).abs();
                        assert!(off < 1e-3, "{format:?} {shape:?}: {out} {wanted}");
                    }
                }
            }
        }
    }
}
