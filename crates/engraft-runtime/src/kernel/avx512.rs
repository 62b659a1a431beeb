//! AVX-512 with VNNI: sixteen rows a register, four columns an instruction.

use std::arch::x86_64::*;

use super::Tile;
use crate::packed::{BLOCK, Codes, ROWS};

/// Rows of activations that share one look at the weights.
const MOST: usize = 12;
/// Bytes of weights that are asked for ahead of their use where memory is what takes the time.
const AHEAD: usize = 4096;

/// # Safety
/// AVX-512 F, BW and VNNI are there, and the lengths of the tile fit one another.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn products(
    tile: &Tile<'_>,
    rows: usize,
    out: &mut dyn FnMut(usize, &[[f32; ROWS]]),
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: as promised to this function.
        let done = unsafe {
            match (tile.codes, rows - row) {
                (Codes::Four, 12..) => part::<12, 0>(tile, row, out),
                (Codes::Four, 4..) => part::<4, 0>(tile, row, out),
                (Codes::Four, 2..) => part::<2, 0>(tile, row, out),
                (Codes::Four, _) => part::<1, 0>(tile, row, out),
                (Codes::FourMin, 12..) => part::<12, 1>(tile, row, out),
                (Codes::FourMin, 4..) => part::<4, 1>(tile, row, out),
                (Codes::FourMin, 2..) => part::<2, 1>(tile, row, out),
                (Codes::FourMin, _) => part::<1, 1>(tile, row, out),
                (Codes::Eight, 12..) => part::<12, 2>(tile, row, out),
                (Codes::Eight, 4..) => part::<4, 2>(tile, row, out),
                (Codes::Eight, 2..) => part::<2, 2>(tile, row, out),
                (Codes::Eight, _) => part::<1, 2>(tile, row, out),
            }
        };
        row += done;
    }
}

/// `T` rows of activations from `row` on; returns `T`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn part<const T: usize, const KIND: u8>(
    tile: &Tile<'_>,
    row: usize,
    out: &mut dyn FnMut(usize, &[[f32; ROWS]]),
) -> usize {
    const { assert!(T <= MOST) };
    let codes = match KIND {
        0 => Codes::Four,
        1 => Codes::FourMin,
        _ => Codes::Eight,
    };
    let nibble = _mm512_set1_epi8(15);
    let mut totals = [_mm512_setzero_ps(); T];
    let columns = tile.blocks * BLOCK;
    for block in 0..tile.blocks {
        // SAFETY: the group has `blocks` whole blocks, and every row of activations as many.
        unsafe {
            let at = tile.group.as_ptr().add(block * codes.block());
            if T < MOST {
                for line in (0..codes.block()).step_by(64) {
                    _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD + line).cast());
                }
            }
            let mut weights = [_mm512_setzero_si512(); 8];
            if KIND == 2 {
                for (quad, weights) in weights.iter_mut().enumerate() {
                    *weights = _mm512_loadu_si512(at.add(64 * quad).cast());
                }
            } else {
                for quad in 0..4 {
                    let both = _mm512_loadu_si512(at.add(64 * quad).cast());
                    weights[quad] = _mm512_and_si512(both, nibble);
                    weights[quad + 4] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), nibble);
                }
            }
            // Column by column, every token a chain of its own: the loops are short enough to be
            // unrolled, so that sums and totals stay in registers.
            let x = tile.activations.as_ptr().add(row * columns + block * BLOCK);
            let mut dots = [_mm512_setzero_si512(); T];
            for (quad, weights) in weights.into_iter().enumerate() {
                for (token, dot) in dots.iter_mut().enumerate() {
                    let x = x.add(token * columns).cast::<i32>().add(quad);
                    *dot =
                        _mm512_dpbusd_epi32(*dot, weights, _mm512_set1_epi32(x.read_unaligned()));
                }
            }
            let floats = at.add(codes.bytes());
            let scale = _mm512_cvtph_ps(_mm256_loadu_si256(floats.cast()));
            let minimum = match KIND {
                1 => _mm512_cvtph_ps(_mm256_loadu_si256(floats.add(2 * ROWS).cast())),
                _ => _mm512_mul_ps(scale, _mm512_set1_ps(-codes.zero() as f32)),
            };
            for (token, (total, dot)) in totals.iter_mut().zip(dots).enumerate() {
                let place = (row + token) * tile.blocks + block;
                let step = _mm512_set1_ps(*tile.scales.get_unchecked(place));
                let sum = _mm512_set1_ps(*tile.sums.get_unchecked(place));
                let weighted = _mm512_mul_ps(scale, step);
                *total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), weighted, *total);
                *total = _mm512_fmadd_ps(minimum, sum, *total);
            }
        }
    }
    let mut found = [[0.0; ROWS]; T];
    for (found, total) in found.iter_mut().zip(totals) {
        // SAFETY: sixteen numbers have room for sixteen.
        unsafe { _mm512_storeu_ps(found.as_mut_ptr(), total) };
    }
    out(row, &found);
    T
}
