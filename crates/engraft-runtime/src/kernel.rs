//! Products of quantised weights and rounded activations, by the best instructions of this machine.

#[cfg(test)]
mod agreement;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

use crate::packed::{Codes, ROWS};

/// One group of rows and several rows of activations.
pub(crate) struct Tile<'a> {
    pub codes: Codes,
    /// The blocks of the group.
    pub group: &'a [u8],
    pub blocks: usize,
    /// `[rows, blocks * 32]`, `[rows, blocks]`, `[rows, blocks]`, as in [`Rounded`](crate::rounded::Rounded).
    pub activations: &'a [i8],
    pub scales: &'a [f32],
    pub sums: &'a [f32],
}

/// The instructions that a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Plain Rust, right everywhere.
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with dot products of bytes.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Kernel {
    /// All that this machine can run, the best last.
    pub fn here() -> Vec<Self> {
        #[cfg_attr(
            not(any(target_arch = "x86_64", target_arch = "aarch64")),
            allow(unused_mut)
        )]
        let mut all = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
            {
                all.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Self::Avx512Vnni);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Self::Neon);
        }
        all
    }

    /// The best of this machine.
    pub fn best() -> Self {
        *Self::here().last().expect("the scalar one is always there")
    }

    /// The products of the group with every row of activations, some rows at a time:
    /// `out(first of them, sixteen numbers each)`.
    pub(crate) fn products(self, tile: &Tile<'_>, out: &mut dyn FnMut(usize, &[[f32; ROWS]])) {
        assert_eq!(tile.group.len(), tile.blocks * tile.codes.block());
        let rows = tile.scales.len() / tile.blocks.max(1);
        assert_eq!(tile.activations.len(), rows * tile.blocks * 32);
        assert_eq!(tile.sums.len(), rows * tile.blocks);
        match self {
            Self::Scalar => scalar::products(tile, rows, out),
            // SAFETY: the instructions were found on this machine, and the lengths above are all that
            // the kernels rely on.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::products(tile, rows, out) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512::products(tile, rows, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::products(tile, rows, out) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{packed::Packed, rounded::Rounding};
    use engraft_files::{Format, Stored};
    use rten_simd::SimdOp;

    /// A few numbers from a linear congruence.
    fn bytes(seed: u32, count: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    fn packed(format: Format, rows: usize, blocks: usize, seed: u32) -> Packed {
        let mut data = bytes(seed, rows * blocks * format.bytes());
        for block in data.chunks_exact_mut(format.bytes()) {
            let half = |x: f32| half::f16::from_f32(x).to_le_bytes();
            let scale = half(0.01 + f32::from(block[0]) / 999.0);
            block[..2].copy_from_slice(&scale);
            if format == Format::Q4_1 {
                let minimum = half(f32::from(block[2]) / -300.0);
                block[2..4].copy_from_slice(&minimum);
            }
        }
        let stored = Stored {
            path: std::path::Path::new("x"),
            name: "w",
            shape: &[rows, blocks * 32],
            format,
            bytes: &data,
            pairs: None,
        };
        Packed::of(&stored, blocks * 32).unwrap()
    }

    #[test]
    fn every_kernel_equals_the_product_of_the_unpacked_numbers() {
        for (format, seed) in [(Format::Q4_0, 1), (Format::Q4_1, 2), (Format::Q8_0, 3)] {
            for (rows, blocks, tokens) in [(16, 1, 1), (32, 3, 2), (48, 18, 9), (20, 2, 17)] {
                let weights = packed(format, rows, blocks, seed);
                let columns = blocks * 32;
                let x: Vec<f32> = bytes(seed + 9, tokens * columns)
                    .into_iter()
                    .map(|byte| f32::from(byte) / 50.0 - 2.5)
                    .collect();
                let mut codes = vec![0; tokens * columns];
                let (mut scales, mut sums) =
                    (vec![0.0; tokens * blocks], vec![0.0; tokens * blocks]);
                let rounding = Rounding {
                    x: &x,
                    codes: &mut codes,
                    scales: &mut scales,
                    sums: &mut sums,
                    left: &mut [],
                };
                rounding.dispatch();
                for group in 0..rows.div_ceil(ROWS) {
                    let tile = Tile {
                        codes: weights.codes,
                        group: weights.group(group),
                        blocks,
                        activations: &codes,
                        scales: &scales,
                        sums: &sums,
                    };
                    for kernel in Kernel::here() {
                        let mut all = Vec::new();
                        kernel.products(&tile, &mut |first, found| {
                            assert_eq!(first, all.len(), "rows come in order");
                            all.extend_from_slice(found);
                        });
                        assert_eq!(all.len(), tokens);
                        for (token, found) in all.iter().enumerate() {
                            let mut row = vec![0.0; columns];
                            for (lane, found) in found.iter().enumerate() {
                                if group * ROWS + lane >= rows {
                                    assert_eq!(*found, 0.0, "rows that are not there");
                                    continue;
                                }
                                weights.row(group * ROWS + lane, &mut row);
                                let wanted: f64 = row
                                    .iter()
                                    .enumerate()
                                    .map(|(at, &w)| {
                                        let block = token * blocks + at / 32;
                                        let x =
                                            scales[block] * f32::from(codes[token * columns + at]);
                                        f64::from(w) * f64::from(x)
                                    })
                                    .sum();
                                let bound = 1e-4 * columns as f64;
                                assert!(
                                    (f64::from(*found) - wanted).abs() < bound,
                                    "{kernel:?} {format:?} {found} {wanted}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
