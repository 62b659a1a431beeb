//! AVX2: eight rows a register, two registers a group.

use std::arch::x86_64::*;

use super::Tile;
use crate::packed::{BLOCK, Codes, ROWS};

/// # Safety
/// AVX2, FMA and F16C are there, and the lengths of the tile fit one another.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn products(
    tile: &Tile<'_>,
    rows: usize,
    out: &mut dyn FnMut(usize, &[[f32; ROWS]]),
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: as promised to this function.
        row += unsafe {
            match (tile.codes, rows - row) {
                (Codes::Four, 4..) => part::<4, 0>(tile, row, out),
                (Codes::Four, _) => part::<1, 0>(tile, row, out),
                (Codes::FourMin, 4..) => part::<4, 1>(tile, row, out),
                (Codes::FourMin, _) => part::<1, 1>(tile, row, out),
                (Codes::Eight, 4..) => part::<4, 2>(tile, row, out),
                (Codes::Eight, _) => part::<1, 2>(tile, row, out),
            }
        };
    }
}

/// `T` rows of activations from `row` on; returns `T`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn part<const T: usize, const KIND: u8>(
    tile: &Tile<'_>,
    row: usize,
    out: &mut dyn FnMut(usize, &[[f32; ROWS]]),
) -> usize {
    let codes = match KIND {
        0 => Codes::Four,
        1 => Codes::FourMin,
        _ => Codes::Eight,
    };
    let (nibble, ones, flip) = (
        _mm256_set1_epi8(15),
        _mm256_set1_epi16(1),
        _mm256_set1_epi8(-128),
    );
    let mut found = [[0.0; ROWS]; T];
    let columns = tile.blocks * BLOCK;
    for half in 0..2 {
        let mut totals = [_mm256_setzero_ps(); T];
        for block in 0..tile.blocks {
            // SAFETY: the group has `blocks` whole blocks, and every row of activations as many.
            unsafe {
                let at = tile.group.as_ptr().add(block * codes.block());
                let load = |quad: usize| {
                    _mm256_loadu_si256(at.add(64 * quad + 32 * half).cast::<__m256i>())
                };
                let x = tile.activations.as_ptr().add(row * columns + block * BLOCK);
                let x = |token: usize, quad: usize| {
                    let x = x.add(token * columns).cast::<i32>().add(quad);
                    _mm256_set1_epi32(x.read_unaligned())
                };
                let mut dots = [_mm256_setzero_si256(); T];
                if KIND == 2 {
                    // Signed codes: their sign moves to the activations, so that no pair of products
                    // leaves sixteen bits. The activations lie within -127..127.
                    for quad in 0..8 {
                        let signed = _mm256_xor_si256(load(quad), flip);
                        let size = _mm256_abs_epi8(signed);
                        for (token, dot) in dots.iter_mut().enumerate() {
                            let turned = _mm256_sign_epi8(x(token, quad), signed);
                            let pairs = _mm256_maddubs_epi16(size, turned);
                            *dot = _mm256_add_epi32(*dot, _mm256_madd_epi16(pairs, ones));
                        }
                    }
                } else {
                    // Eight sums of two products of at most 15 * 127 fit sixteen bits.
                    for quad in 0..4 {
                        let both = load(quad);
                        let low = _mm256_and_si256(both, nibble);
                        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(both), nibble);
                        for (token, dot) in dots.iter_mut().enumerate() {
                            let low = _mm256_maddubs_epi16(low, x(token, quad));
                            let high = _mm256_maddubs_epi16(high, x(token, quad + 4));
                            *dot = _mm256_add_epi16(*dot, _mm256_add_epi16(low, high));
                        }
                    }
                    for dot in &mut dots {
                        *dot = _mm256_madd_epi16(*dot, ones);
                    }
                }
                let floats = at.add(codes.bytes() + ROWS * half);
                let scale = _mm256_cvtph_ps(_mm_loadu_si128(floats.cast()));
                let minimum = match KIND {
                    0 => _mm256_mul_ps(scale, _mm256_set1_ps(-codes.zero() as f32)),
                    1 => _mm256_cvtph_ps(_mm_loadu_si128(floats.add(2 * ROWS).cast())),
                    _ => _mm256_setzero_ps(),
                };
                for (token, (total, dot)) in totals.iter_mut().zip(dots).enumerate() {
                    let place = (row + token) * tile.blocks + block;
                    let step = _mm256_set1_ps(*tile.scales.get_unchecked(place));
                    let weighted = _mm256_mul_ps(scale, step);
                    *total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), weighted, *total);
                    if KIND != 2 {
                        let sum = _mm256_set1_ps(*tile.sums.get_unchecked(place));
                        *total = _mm256_fmadd_ps(minimum, sum, *total);
                    }
                }
            }
        }
        for (found, total) in found.iter_mut().zip(totals) {
            // SAFETY: sixteen numbers have room for twice eight.
            unsafe { _mm256_storeu_ps(found.as_mut_ptr().add(8 * half), total) };
        }
    }
    out(row, &found);
    T
}
