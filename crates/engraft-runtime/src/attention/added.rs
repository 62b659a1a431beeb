//! Products of a few rows with a page.

use std::ops::Range;

use rten_simd::{
    Isa, SimdOp, f16,
    ops::{BitOps, Extend, NumOps},
};

use super::Table;
use crate::cache::Numbers;

/// Adds `factors` `[rows, depth]` times a matrix `[depth, columns]` to rows of `out`, which begin
/// `stride` apart.
pub(super) struct Added<'a> {
    pub rows: usize,
    pub factors: Table<'a>,
    pub columns: usize,
    pub out: &'a mut [f32],
    pub stride: usize,
}

impl Added<'_> {
    /// The matrix is this part of cached numbers.
    pub fn of(self, numbers: &Numbers, part: Range<usize>) {
        match numbers {
            Numbers::Full(all) => Product(self, &all[part]).dispatch(),
            Numbers::Half(all) => Product(self, &all[part]).dispatch(),
        }
    }
}

/// Asks for cached numbers before they are used: pages come from far memory when one position is decoded.
pub(super) fn soon(numbers: &Numbers, part: Range<usize>) {
    match numbers {
        Numbers::Full(all) => Soon(&all[part]).dispatch(),
        Numbers::Half(all) => Soon(&all[part]).dispatch(),
    }
}

struct Soon<'a, T>(&'a [T]);

impl<T> SimdOp for Soon<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let start = self.0.as_ptr().cast::<u8>();
        for line in (0..size_of_val(self.0)).step_by(64) {
            isa.f32().prefetch(start.wrapping_add(line).cast());
        }
    }
}

/// A cached number.
trait Number: Copy {
    fn full(self) -> f32;

    /// As many vectors of 32-bit floats, side by side.
    fn load<I: Isa, const V: usize>(isa: I, numbers: &[Self]) -> [I::F32; V];
}

impl Number for f32 {
    #[inline(always)]
    fn full(self) -> f32 {
        self
    }

    #[inline(always)]
    fn load<I: Isa, const V: usize>(isa: I, numbers: &[f32]) -> [I::F32; V] {
        isa.f32().load_many::<V>(numbers)
    }
}

impl Number for f16 {
    #[inline(always)]
    fn full(self) -> f32 {
        self.to_f32()
    }

    #[inline(always)]
    fn load<I: Isa, const V: usize>(isa: I, numbers: &[f16]) -> [I::F32; V] {
        let ops = isa.f16();
        let mut vectors = [isa.f32().zero(); V];
        for (pair, vectors) in vectors.chunks_mut(2).enumerate() {
            let both = match vectors {
                [_, _] => ops.load(&numbers[pair * ops.len()..]),
                _ => ops.load_pad(&numbers[pair * ops.len()..]).0,
            };
            vectors[0] = ops.extend_low(both);
            if let [_, high] = vectors {
                *high = ops.extend_high(both);
            }
        }
        vectors
    }
}

struct Product<'a, T>(Added<'a>, &'a [T]);

impl<T: Number> SimdOp for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let (rows, mut row) = (self.0.rows, 0);
        while row < rows {
            row += match rows - row {
                4.. => self.several::<I, 4>(isa, row),
                3 => self.several::<I, 3>(isa, row),
                2 => self.several::<I, 2>(isa, row),
                _ => self.several::<I, 1>(isa, row),
            };
        }
    }
}

impl<T: Number> Product<'_, T> {
    /// `Q` rows share one look at the matrix; returns `Q`.
    #[inline(always)]
    fn several<I: Isa, const Q: usize>(&mut self, isa: I, row: usize) -> usize {
        let (lanes, columns) = (isa.f32().len(), self.0.columns);
        let mut first = 0;
        // As many sums as there are registers for: the widest vectors have 32 of them, others 16.
        while lanes >= 16 && first + 4 * lanes <= columns {
            self.strip::<I, Q, 4>(isa, row, first);
            first += 4 * lanes;
        }
        while first + 2 * lanes <= columns {
            self.strip::<I, Q, 2>(isa, row, first);
            first += 2 * lanes;
        }
        while first + lanes <= columns {
            self.strip::<I, Q, 1>(isa, row, first);
            first += lanes;
        }
        let Self(
            Added {
                factors,
                out,
                stride,
                ..
            },
            matrix,
        ) = self;
        for row in row..row + Q {
            let out = &mut out[row * *stride..][first..columns];
            for (factor, line) in factors.0[row * factors.1..]
                .iter()
                .zip(matrix.chunks_exact(columns))
            {
                for (sum, x) in out.iter_mut().zip(&line[first..]) {
                    *sum = factor.mul_add(x.full(), *sum);
                }
            }
        }
        Q
    }

    /// `V` vectors of columns of `Q` rows.
    #[inline(always)]
    fn strip<I: Isa, const Q: usize, const V: usize>(&mut self, isa: I, row: usize, first: usize) {
        let Self(
            Added {
                factors: given,
                columns,
                out,
                stride,
                ..
            },
            matrix,
        ) = self;
        let (ops, depth) = (isa.f32(), matrix.len() / *columns);
        let lanes = ops.len();
        let mut sums = [[ops.zero(); V]; Q];
        let mut factors = [&given.0[..0]; Q];
        for (at, (sums, factors)) in sums.iter_mut().zip(&mut factors).enumerate() {
            let from = (row + at) * *stride + first;
            *sums = ops.load_many::<V>(&out[from..][..V * lanes]);
            *factors = &given.0[(row + at) * given.1..][..depth];
        }
        for at in 0..depth {
            let line = T::load::<I, V>(isa, &matrix[at * *columns + first..][..V * lanes]);
            for (sums, factors) in sums.iter_mut().zip(&factors) {
                let factor = ops.splat(factors[at]);
                for (sum, x) in sums.iter_mut().zip(line) {
                    *sum = ops.mul_add(x, factor, *sum);
                }
            }
        }
        for (at, sums) in sums.into_iter().enumerate() {
            let from = (row + at) * *stride + first;
            for (sum, out) in sums.into_iter().zip(out[from..].chunks_mut(lanes)) {
                ops.store(sum, out);
            }
        }
    }
}
