//! Full weights by few rows: every weight is read once, and memory is what takes the time.

use rten_simd::{
    Isa, SimdOp,
    ops::{BitOps, NumOps},
};

/// Products of full weights with few rows `[count, columns]`: `out(row of weights, row, product)`.
pub(super) struct Dots<'a, F> {
    pub weights: &'a [f32],
    pub x: &'a [f32],
    pub columns: usize,
    pub out: &'a mut F,
}

impl<F: FnMut(usize, usize, f32)> SimdOp for Dots<'_, F> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        /// Numbers that are asked for ahead of their use: memory is what takes the time.
        const AHEAD: usize = 1024;
        let ops = isa.f32();
        let step = ops.len();
        for (at, weights) in self.weights.chunks_exact(self.columns).enumerate() {
            for (row, x) in self.x.chunks_exact(self.columns).enumerate() {
                let mut sums = [ops.zero(); 4];
                let (mut of_x, mut of_weights) =
                    (x.chunks_exact(4 * step), weights.chunks_exact(4 * step));
                for (x, weights) in (&mut of_x).zip(&mut of_weights) {
                    if row == 0 {
                        let ahead = weights.as_ptr().wrapping_add(AHEAD);
                        (0..4).for_each(|part| ops.prefetch(ahead.wrapping_add(part * step)));
                    }
                    let (x, weights) = (ops.load_many::<4>(x), ops.load_many::<4>(weights));
                    for part in 0..4 {
                        sums[part] = ops.mul_add(x[part], weights[part], sums[part]);
                    }
                }
                let [a, b, c, d] = sums;
                let sum = ops.sum(ops.add(ops.add(a, b), ops.add(c, d)));
                let rest = of_x.remainder().iter().zip(of_weights.remainder());
                let product = rest.fold(sum, |sum, (x, weight)| x.mul_add(*weight, sum));
                (self.out)(at, row, product);
            }
        }
    }
}
