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
    out: &mut dyn FnMut(usize, &[f32; ROWS]),
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
    out: &mut dyn FnMut(usize, &[f32; ROWS]),
) -> usize {
    let codes = match KIND {
        0 => Codes::Four,
        1 => Codes::FourMin,
        _ => Codes::Eight,
    };
    let (nibble, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let mut totals = [[_mm256_setzero_ps(); 2]; T];
    let columns = tile.blocks * BLOCK;
    for block in 0..tile.blocks {
        for half in 0..2 {
            // SAFETY: the group has `blocks` whole blocks, and every row of activations as many.
            unsafe {
                let at = tile.group.as_ptr().add(block * codes.block());
                let floats = at.add(codes.bytes() + ROWS * half);
                let scale = _mm256_cvtph_ps(_mm_loadu_si128(floats.cast()));
                let minimum = match KIND {
                    1 => _mm256_cvtph_ps(_mm_loadu_si128(floats.add(2 * ROWS).cast())),
                    _ => _mm256_setzero_ps(),
                };
                let load = |quad: usize| {
                    _mm256_loadu_si256(at.add(64 * quad + 32 * half).cast::<__m256i>())
                };
                for (token, totals) in totals.iter_mut().enumerate() {
                    let place = (row + token) * tile.blocks + block;
                    let x = tile
                        .activations
                        .as_ptr()
                        .add((row + token) * columns + block * BLOCK)
                        .cast::<i32>();
                    let x = |quad: usize| _mm256_set1_epi32(x.add(quad).read_unaligned());
                    let sum = *tile.sums.get_unchecked(place);
                    let mut dot;
                    if KIND == 2 {
                        // Signed codes: their sign moves to the activations, so that no pair of
                        // products leaves sixteen bits. The activations lie within -127..127.
                        dot = _mm256_setzero_si256();
                        let flip = _mm256_set1_epi8(-128);
                        for quad in 0..8 {
                            let signed = _mm256_xor_si256(load(quad), flip);
                            let size = _mm256_abs_epi8(signed);
                            let turned = _mm256_sign_epi8(x(quad), signed);
                            let pairs = _mm256_maddubs_epi16(size, turned);
                            dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, ones));
                        }
                    } else {
                        // Eight sums of two products of at most 15 * 127 fit sixteen bits.
                        let mut pairs = _mm256_setzero_si256();
                        for quad in 0..4 {
                            let both = load(quad);
                            let low = _mm256_and_si256(both, nibble);
                            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(both), nibble);
                            pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(low, x(quad)));
                            pairs =
                                _mm256_add_epi16(pairs, _mm256_maddubs_epi16(high, x(quad + 4)));
                        }
                        dot = _mm256_madd_epi16(pairs, ones);
                        dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(codes.zero() * sum));
                    }
                    let step = *tile.scales.get_unchecked(place);
                    let weighted = _mm256_mul_ps(scale, _mm256_set1_ps(step));
                    let total = &mut totals[half];
                    *total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), weighted, *total);
                    if KIND == 1 {
                        let offset = _mm256_set1_ps(step * sum as f32);
                        *total = _mm256_fmadd_ps(minimum, offset, *total);
                    }
                }
            }
        }
    }
    for (token, totals) in totals.into_iter().enumerate() {
        let mut found = [0.0; ROWS];
        // SAFETY: sixteen numbers have room for twice eight.
        unsafe {
            _mm256_storeu_ps(found.as_mut_ptr(), totals[0]);
            _mm256_storeu_ps(found.as_mut_ptr().add(8), totals[1]);
        }
        out(row + token, &found);
    }
    T
}
