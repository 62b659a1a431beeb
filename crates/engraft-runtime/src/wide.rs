//! Plain loops compiled for the widest vectors this machine has.

use rten_simd::{Isa, SimdOp};

/// Runs a loop compiled for every instruction set, the best one chosen now; the closure must be
/// inlined.
#[inline(always)]
pub(crate) fn wide<R>(run: impl FnOnce() -> R) -> R {
    struct Wide<F>(F);

    impl<R, F: FnOnce() -> R> SimdOp for Wide<F> {
        type Output = R;

        #[inline(always)]
        fn eval<I: Isa>(self, _: I) -> R {
            (self.0)()
        }
    }

    Wide(run).dispatch()
}

/// Numbers that are summed side by side: four full vectors of the widest kind.
const LANES: usize = 64;

/// `sum x[i] y[i]`, in [`wide`] code.
#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum = x.mul_add(*y, *sum);
        }
    }
    let rest = xs.remainder().iter().zip(ys.remainder());
    rest.fold(sums.iter().sum(), |total, (x, y)| x.mul_add(*y, total))
}
