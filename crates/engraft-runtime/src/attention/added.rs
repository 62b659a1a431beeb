//! Products of a few rows with a page.

use rten_simd::{
    Isa, SimdOp,
    ops::{BitOps, NumOps},
};

use super::Table;

/// Numbers that are asked for ahead of their use: pages come from far memory when one position is
/// decoded.
const AHEAD: usize = 1024;

/// Adds `factors` `[rows, depth]` times `matrix` `[depth, columns]` to rows of `out`, which begin
/// `stride` apart.
pub(super) struct Added<'a> {
    pub rows: usize,
    pub factors: Table<'a>,
    pub matrix: &'a [f32],
    pub columns: usize,
    pub out: &'a mut [f32],
    pub stride: usize,
}

impl SimdOp for Added<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let mut row = 0;
        while row < self.rows {
            row += match self.rows - row {
                4.. => self.several::<I, 4>(isa, row),
                3 => self.several::<I, 3>(isa, row),
                2 => self.several::<I, 2>(isa, row),
                _ => self.several::<I, 1>(isa, row),
            };
        }
    }
}

impl Added<'_> {
    /// `Q` rows share one look at the matrix; returns `Q`.
    #[inline(always)]
    fn several<I: Isa, const Q: usize>(&mut self, isa: I, row: usize) -> usize {
        let depth = self.matrix.len() / self.columns;
        let lanes = isa.f32().len();
        let mut first = 0;
        // As many sums as there are registers for: the widest vectors have 32 of them, others 16.
        while lanes >= 16 && first + 4 * lanes <= self.columns {
            self.strip::<I, Q, 4>(isa, row, first, depth);
            first += 4 * lanes;
        }
        while first + 2 * lanes <= self.columns {
            self.strip::<I, Q, 2>(isa, row, first, depth);
            first += 2 * lanes;
        }
        while first + lanes <= self.columns {
            self.strip::<I, Q, 1>(isa, row, first, depth);
            first += lanes;
        }
        for row in row..row + Q {
            let factors = &self.factors.0[row * self.factors.1..][..depth];
            let out = &mut self.out[row * self.stride..][first..self.columns];
            for (factor, line) in factors.iter().zip(self.matrix.chunks_exact(self.columns)) {
                for (sum, x) in out.iter_mut().zip(&line[first..]) {
                    *sum = factor.mul_add(*x, *sum);
                }
            }
        }
        Q
    }

    /// `V` vectors of columns of `Q` rows.
    #[inline(always)]
    fn strip<I: Isa, const Q: usize, const V: usize>(
        &mut self,
        isa: I,
        row: usize,
        first: usize,
        depth: usize,
    ) {
        let ops = isa.f32();
        let lanes = ops.len();
        let mut sums = [[ops.zero(); V]; Q];
        let mut factors = [&self.factors.0[..0]; Q];
        for at in 0..Q {
            let from = (row + at) * self.stride + first;
            sums[at] = ops.load_many::<V>(&self.out[from..][..V * lanes]);
            factors[at] = &self.factors.0[(row + at) * self.factors.1..][..depth];
        }
        for at in 0..depth {
            let line = &self.matrix[at * self.columns + first..][..V * lanes];
            if Q < 4 {
                let ahead = line.as_ptr().wrapping_add(AHEAD);
                (0..V).for_each(|v| ops.prefetch(ahead.wrapping_add(v * lanes)));
            }
            let line = ops.load_many::<V>(line);
            for q in 0..Q {
                let factor = ops.splat(factors[q][at]);
                for v in 0..V {
                    sums[q][v] = ops.mul_add(line[v], factor, sums[q][v]);
                }
            }
        }
        for at in 0..Q {
            let from = (row + at) * self.stride + first;
            for v in 0..V {
                ops.store(sums[at][v], &mut self.out[from + v * lanes..]);
            }
        }
    }
}
