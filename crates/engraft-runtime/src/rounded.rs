//! Activations in eight bits: `scale * code`, one scale a block.

use rten_simd::{
    Isa, Simd, SimdOp,
    ops::{BitOps, FloatOps, NarrowSaturate, NumOps, ToFloat},
};

use crate::packed::BLOCK;

/// Rows of rounded activations.
#[derive(Default)]
pub(crate) struct Rounded {
    /// `[rows, columns]`, within -127..127.
    pub codes: Vec<i8>,
    /// `[rows, blocks]`
    pub scales: Vec<f32>,
    /// Sums of the numbers of a block, as rounded, `[rows, blocks]`.
    pub sums: Vec<f32>,
}

impl Rounded {
    /// Makes room for `rows` of `columns`.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        self.codes.resize(rows * columns, 0);
        self.scales.resize(rows * columns / BLOCK, 0.0);
        self.sums.resize(rows * columns / BLOCK, 0.0);
    }
}

/// Rounds whole blocks `x`. What rounding leaves goes into `left`, unless that is empty.
pub(crate) struct Rounding<'a> {
    pub x: &'a [f32],
    pub codes: &'a mut [i8],
    pub scales: &'a mut [f32],
    pub sums: &'a mut [f32],
    pub left: &'a mut [f32],
}

/// Blocks that four of the widest vectors fill: four become one of bytes.
const TOGETHER: usize = 2;

impl SimdOp for Rounding<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let together = (4 * isa.f32().len()).div_ceil(BLOCK);
        let blocks = self.x.len() / BLOCK;
        let whole = blocks / together * together;
        for first in (0..whole).step_by(together) {
            self.part(first, together).round(isa);
        }
        if whole < blocks {
            let (mut x, mut left) = ([0.0; TOGETHER * BLOCK], [0.0; TOGETHER * BLOCK]);
            let (mut codes, mut scales, mut sums) = ([0; TOGETHER * BLOCK], [0.0; 2], [0.0; 2]);
            let last = self.part(whole, blocks - whole);
            x[..last.x.len()].copy_from_slice(last.x);
            let padded = Rounding {
                x: &x,
                codes: &mut codes,
                scales: &mut scales,
                sums: &mut sums,
                left: &mut left,
            };
            padded.round(isa);
            last.codes.copy_from_slice(&codes[..last.codes.len()]);
            last.scales.copy_from_slice(&scales[..last.scales.len()]);
            last.sums.copy_from_slice(&sums[..last.sums.len()]);
            last.left.copy_from_slice(&left[..last.left.len()]);
        }
    }
}

impl Rounding<'_> {
    fn part(&mut self, first: usize, blocks: usize) -> Rounding<'_> {
        let (ours, numbers) = (
            first..first + blocks,
            first * BLOCK..(first + blocks) * BLOCK,
        );
        Rounding {
            x: &self.x[numbers.clone()],
            codes: &mut self.codes[numbers.clone()],
            scales: &mut self.scales[ours.clone()],
            sums: &mut self.sums[ours],
            left: match self.left.is_empty() {
                true => &mut [],
                false => &mut self.left[numbers],
            },
        }
    }

    /// Rounds blocks that four vectors divide.
    #[inline(always)]
    fn round<I: Isa>(self, isa: I) {
        let (floats, ints, words, bytes) = (isa.f32(), isa.i32(), isa.i16(), isa.u8());
        let lanes = floats.len();
        let (mut inverses, mut totals) = ([floats.zero(); TOGETHER], [floats.zero(); TOGETHER]);
        for (block, x) in self.x.chunks_exact(BLOCK).enumerate() {
            let mut sizes = floats.zero();
            for x in x.chunks_exact(lanes) {
                sizes = floats.max(floats.abs(floats.load(x)), sizes);
            }
            let largest = largest(sizes.to_array().as_ref());
            self.scales[block] = largest / 127.0;
            inverses[block] = floats.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        }
        // Bytes are narrowed without a sign: the codes go up by 128 and lose their highest bit again.
        let (middle, flip) = (ints.splat(128), bytes.splat(128));
        for at in (0..self.x.len()).step_by(4 * lanes) {
            let mut four = [ints.zero(); 4];
            for (part, four) in four.iter_mut().enumerate() {
                let from = at + part * lanes;
                let (x, block) = (floats.load(&self.x[from..]), from / BLOCK);
                let code = floats.to_int_round(floats.mul(x, inverses[block]));
                let number = ints.to_float(code);
                totals[block] = floats.add(totals[block], number);
                *four = ints.add(code, middle);
                if !self.left.is_empty() {
                    let scale = floats.splat(self.scales[block]);
                    let left = floats.mul_sub_from(number, scale, x);
                    floats.store(left, &mut self.left[from..]);
                }
            }
            let low = ints.narrow_saturate(four[0], four[1]);
            let high = ints.narrow_saturate(four[2], four[3]);
            let codes = bytes.xor(words.narrow_saturate(low, high), flip);
            let out = &mut self.codes[at..at + 4 * lanes];
            // SAFETY: a vector of bytes has as many as four of floats; any byte is a code.
            unsafe { bytes.store_ptr(codes, out.as_mut_ptr().cast()) };
        }
        for (sum, (scale, total)) in self.sums.iter_mut().zip(self.scales.iter().zip(totals)) {
            *sum = scale * floats.sum(total);
        }
    }
}

/// The largest of as many numbers as a vector has. Halves are arrays of their own: in one array, the
/// compiler takes it apart number by number.
#[inline(always)]
fn largest(numbers: &[f32]) -> f32 {
    let mut sixteen = [0.0; 16];
    sixteen[..numbers.len()].copy_from_slice(numbers);
    let [a, b]: [f32; 2] = halved(&halved::<4>(&halved::<8>(&sixteen)));
    if a > b { a } else { b }
}

/// The larger of every number and that which is half the length behind it.
#[inline(always)]
fn halved<const N: usize>(numbers: &[f32]) -> [f32; N] {
    let mut larger = [0.0; N];
    for (at, larger) in larger.iter_mut().enumerate() {
        let (a, b) = (numbers[at], numbers[at + N]);
        *larger = if a > b { a } else { b };
    }
    larger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_rounded_to_the_nearest_code_and_what_is_left_is_exact() {
        for blocks in 1..=5 {
            let number = |at: usize| ((at * 73) % 1009) as f32 / 37.0 - 13.0;
            let mut x: Vec<f32> = (0..blocks * BLOCK).map(number).collect();
            x[..BLOCK].fill(0.0);
            let mut codes = vec![1; x.len()];
            let (mut scales, mut sums) = (vec![1.0; blocks], vec![1.0; blocks]);
            let mut left = vec![1.0; x.len()];
            let rounding = Rounding {
                x: &x,
                codes: &mut codes,
                scales: &mut scales,
                sums: &mut sums,
                left: &mut left,
            };
            rounding.dispatch();
            for (block, x) in x.chunks_exact(BLOCK).enumerate() {
                let largest = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                assert!((scales[block] - largest / 127.0).abs() <= 1e-7 * largest);
                let mut sum = 0.0;
                for (at, x) in x.iter().enumerate() {
                    let at = block * BLOCK + at;
                    let rounded = scales[block] * f32::from(codes[at]);
                    assert!(
                        (x - rounded).abs() <= 0.501 * scales[block],
                        "{blocks}: {x} {rounded}"
                    );
                    assert!((left[at] - (x - rounded)).abs() <= 1e-6 * largest);
                    sum += f64::from(rounded);
                }
                assert!(
                    (f64::from(sums[block]) - sum).abs() < 1e-4,
                    "{blocks}: {sum}"
                );
            }
        }
    }
}
