//! NEON, which every 64-bit ARM has: four rows a register, four registers a group.

use std::arch::aarch64::*;

use super::Tile;
use crate::packed::{BLOCK, Codes, ROWS, scales};

/// Rows of a register.
const LANES: usize = 4;
/// Registers of a group.
const PARTS: usize = ROWS / LANES;

/// # Safety
/// NEON is there, and the lengths of the tile fit one another.
#[target_feature(enable = "neon")]
pub(super) unsafe fn products(
    tile: &Tile<'_>,
    rows: usize,
    out: &mut dyn FnMut(usize, &[[f32; ROWS]]),
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: as promised to this function.
        row += unsafe {
            match rows - row {
                4.. => part::<4>(tile, row, out),
                _ => part::<1>(tile, row, out),
            }
        };
    }
}

/// `T` rows of activations from `row` on; returns `T`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn part<const T: usize>(
    tile: &Tile<'_>,
    row: usize,
    out: &mut dyn FnMut(usize, &[[f32; ROWS]]),
) -> usize {
    let codes = tile.codes;
    let mut totals = [[vdupq_n_f32(0.0); PARTS]; T];
    for (at, block) in tile.group.chunks_exact(codes.block()).enumerate() {
        for part in 0..PARTS {
            // SAFETY: the block is whole.
            let weights = unsafe { weights(codes, block, part) };
            let (scale, minimum) = floats(codes, block, part);
            for (token, totals) in totals.iter_mut().enumerate() {
                let place = (row + token) * tile.blocks + at;
                // SAFETY: every row of activations has as many blocks as the group.
                let (x, step, sum) = unsafe {
                    (
                        tile.activations.as_ptr().add(place * BLOCK).cast::<i32>(),
                        *tile.scales.get_unchecked(place),
                        *tile.sums.get_unchecked(place),
                    )
                };
                let mut dot = vdupq_n_s32(0);
                for (quad, &weights) in weights.iter().enumerate() {
                    // SAFETY: a block is eight times four activations.
                    let x = vdupq_n_s32(unsafe { x.add(quad).read_unaligned() });
                    let x = vreinterpretq_s8_s32(x);
                    // Two products of at most 128 * 127 fit sixteen bits.
                    let low = vmull_s8(vget_low_s8(weights), vget_low_s8(x));
                    let high = vmull_high_s8(weights, x);
                    dot = vpadalq_s16(dot, vpaddq_s16(low, high));
                }
                let total = &mut totals[part];
                *total = vfmaq_f32(*total, vcvtq_f32_s32(dot), vmulq_n_f32(scale, step));
                // Codes of eight bits come with their sign.
                if codes != Codes::Eight {
                    *total = vfmaq_n_f32(*total, minimum, sum);
                }
            }
        }
    }
    let mut found = [[0.0; ROWS]; T];
    for (found, totals) in found.iter_mut().zip(totals) {
        for (found, total) in found.chunks_exact_mut(LANES).zip(totals) {
            // SAFETY: four numbers have room for four.
            unsafe { vst1q_f32(found.as_mut_ptr(), total) };
        }
    }
    out(row, &found);
    T
}

/// The codes of four rows, four columns a register. Those of eight bits come with their sign.
///
/// # Safety
/// The block is whole.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn weights(codes: Codes, block: &[u8], part: usize) -> [int8x16_t; BLOCK / LANES] {
    let mut weights = [vdupq_n_s8(0); BLOCK / LANES];
    // SAFETY: 64 bytes are four columns of a group, sixteen of them those of four rows.
    let load = |quad: usize| unsafe { vld1q_u8(block.as_ptr().add(64 * quad + 16 * part)) };
    match codes {
        Codes::Eight => {
            for (quad, weights) in weights.iter_mut().enumerate() {
                *weights = vreinterpretq_s8_u8(veorq_u8(load(quad), vdupq_n_u8(128)));
            }
        }
        Codes::Four | Codes::FourMin => {
            for quad in 0..BLOCK / LANES / 2 {
                let both = load(quad);
                weights[quad] = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
                weights[quad + 4] = vreinterpretq_s8_u8(vshrq_n_u8::<4>(both));
            }
        }
    }
    weights
}

/// Scales and minima of four rows.
#[inline]
#[target_feature(enable = "neon")]
fn floats(codes: Codes, block: &[u8], part: usize) -> (float32x4_t, float32x4_t) {
    let (mut found, mut minima) = ([0.0; LANES], [0.0; LANES]);
    for (lane, (scale, minimum)) in found.iter_mut().zip(&mut minima).enumerate() {
        (*scale, *minimum) = scales(codes, block, LANES * part + lane);
    }
    // SAFETY: four numbers fill a register.
    unsafe { (vld1q_f32(found.as_ptr()), vld1q_f32(minima.as_ptr())) }
}
