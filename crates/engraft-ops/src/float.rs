//! `f32` functions of one number without branches, so that a loop over them becomes vector code
//! inside [`wide`](crate::flex::wide), and the row loops made of them.

/// Elements that are summed side by side: a full vector of the widest kind.
const LANES: usize = 16;

/// `e^x`, within 2 units in the last place for `x` in -87..88; 0 below, saturated above.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding this constant rounds to an integer and leaves it, plus the exponent's offset of 127,
    // in the low bits.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let inside = if x > 88.0 { 88.0 } else { x };
    let rounded = inside.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, inside));
    let mut y = 1.0 / 5040.0;
    y = r.mul_add(y, 1.0 / 720.0);
    y = r.mul_add(y, 1.0 / 120.0);
    y = r.mul_add(y, 1.0 / 24.0);
    y = r.mul_add(y, 1.0 / 6.0);
    y = r.mul_add(y, 0.5);
    y = r.mul_add(y, 1.0);
    y = r.mul_add(y, 1.0);
    let power = f32::from_bits(rounded.to_bits() << 23);
    if x < -87.0 { 0.0 } else { y * power }
}

/// Natural logarithm, relative error about 2e-7 (near 1 an absolute one). Numbers below the smallest
/// normal one count as that.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let x = if x < f32::MIN_POSITIVE {
        f32::MIN_POSITIVE
    } else {
        x
    };
    // x = m * 2^n with m from sqrt(1/2) to sqrt(2).
    const HALF_ROOT: u32 = 0x3f35_04f3;
    let bits = x.to_bits().wrapping_sub(HALF_ROOT);
    let n = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(HALF_ROOT));
    // ln m = 2 artanh((m - 1) / (m + 1)), an odd series.
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    let mut series = 2.0 / 9.0;
    series = square.mul_add(series, 2.0 / 7.0);
    series = square.mul_add(series, 2.0 / 5.0);
    series = square.mul_add(series, 2.0 / 3.0);
    series = square.mul_add(series, 2.0);
    n.mul_add(std::f32::consts::LN_2, t * series)
}

/// Hyperbolic tangent, absolute error about 1e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sums `term` over slices of equal length. Whole chunks become vector code, which indices would
/// prevent: one check of bounds a chunk, none an element.
#[inline(always)]
pub(crate) fn sum<const N: usize>(
    slices: [&[f32]; N],
    mut term: impl FnMut([f32; N]) -> f32,
) -> f32 {
    let lanes = fold(
        slices,
        [0.0; LANES],
        #[inline(always)]
        |total, entry| total + term(entry),
    );
    lanes.iter().sum()
}

/// Like [`sum`], for a `term` whose second part goes to `out`.
#[inline(always)]
pub(crate) fn sum_into<const N: usize>(
    slices: [&[f32]; N],
    out: &mut [f32],
    mut term: impl FnMut([f32; N]) -> (f32, f32),
) -> f32 {
    let len = out.len();
    let mut lanes = [0.0f32; LANES];
    let mut start = 0;
    while start + LANES <= len {
        let chunk: [&[f32; LANES]; N] = slices.map(
            #[inline(always)]
            |slice| chunk(slice, start),
        );
        let written: &mut [f32; LANES] = (&mut out[start..start + LANES])
            .try_into()
            .expect("a whole chunk");
        for (lane, (total, written)) in lanes.iter_mut().zip(written).enumerate() {
            let (value, second) = term(chunk.map(
                #[inline(always)]
                |chunk| chunk[lane],
            ));
            *total += value;
            *written = second;
        }
        start += LANES;
    }
    for (lane, i) in (start..len).enumerate() {
        let (value, second) = term(slices.map(|slice| slice[i]));
        lanes[lane] += value;
        out[i] = second;
    }
    lanes.iter().sum()
}

#[inline(always)]
fn chunk(slice: &[f32], start: usize) -> &[f32; LANES] {
    slice[start..start + LANES]
        .try_into()
        .expect("a whole chunk")
}

/// Largest `term` over slices of equal length; minus infinity for none.
#[inline(always)]
pub(crate) fn max<const N: usize>(
    slices: [&[f32]; N],
    mut term: impl FnMut([f32; N]) -> f32,
) -> f32 {
    let lanes = fold(
        slices,
        [f32::NEG_INFINITY; LANES],
        #[inline(always)]
        |top, entry| {
            let value = term(entry);
            if value > top { value } else { top }
        },
    );
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Folds every lane on its own; what does not fill a chunk goes to the first lanes.
#[inline(always)]
fn fold<const N: usize>(
    slices: [&[f32]; N],
    mut lanes: [f32; LANES],
    mut step: impl FnMut(f32, [f32; N]) -> f32,
) -> [f32; LANES] {
    let len = slices.first().map_or(0, |slice| slice.len());
    let slices = slices.map(
        #[inline(always)]
        |slice| &slice[..len],
    );
    let mut start = 0;
    while start + LANES <= len {
        let chunk: [&[f32; LANES]; N] = slices.map(
            #[inline(always)]
            |slice| chunk(slice, start),
        );
        for (lane, state) in lanes.iter_mut().enumerate() {
            *state = step(
                *state,
                chunk.map(
                    #[inline(always)]
                    |chunk| chunk[lane],
                ),
            );
        }
        start += LANES;
    }
    for (lane, i) in (start..len).enumerate() {
        lanes[lane] = step(lanes[lane], slices.map(|slice| slice[i]));
    }
    lanes
}

/// `row = e^(row * scale - shift)`; returns the sum.
#[inline(always)]
pub(crate) fn exp_in_place(row: &mut [f32], scale: f32, shift: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *value = exp(value.mul_add(scale, -shift));
            *lane += *value;
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for value in chunks.into_remainder() {
        *value = exp(value.mul_add(scale, -shift));
        total += *value;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_holds_over_its_range() {
        for step in 0..175_000 {
            let x = -87.0 + step as f32 * 1e-3;
            let (found, wanted) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / wanted - 1.0).abs() < 3e-7, "exp({x}) = {found}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(1e30).is_finite());
    }

    #[test]
    fn logarithm_holds_over_its_range() {
        let mut x = f32::MIN_POSITIVE;
        while x < 1e30 {
            let (found, wanted) = (f64::from(ln(x)), f64::from(x).ln());
            let bound = 3e-7 * wanted.abs().max(1.0);
            assert!((found - wanted).abs() < bound, "ln({x}) = {found}");
            x *= 1.000_37;
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), ln(f32::MIN_POSITIVE));
    }

    #[test]
    fn tanh_and_sigmoid_saturate() {
        for step in -400..400 {
            let x = step as f32 * 0.05;
            assert!((tanh(x) - x.tanh()).abs() < 3e-7, "tanh({x})");
        }
        assert_eq!((tanh(-1e9), tanh(1e9)), (-1.0, 1.0));
        assert!(sigmoid(-1e9) < 1e-37);
        assert_eq!(sigmoid(1e9), 1.0);
    }

    #[test]
    fn sums_and_maxima_of_any_length() {
        for len in [0, 1, 15, 16, 17, 40] {
            let values: Vec<f32> = (0..len).map(|i| i as f32 - 20.0).collect();
            assert_eq!(sum([&values], |[x]| x), values.iter().sum::<f32>());
            let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max([&values], |[x]| x), top);
        }
    }
}
