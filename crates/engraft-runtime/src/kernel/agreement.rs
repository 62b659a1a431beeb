//! Every kernel of this machine gives what the scalar twin gives, on blocks of any content.

use half::f16;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Kernel, Tile};
use crate::packed::{self, BLOCK, Codes, ROWS};

/// What a [`Tile`] borrows.
#[derive(Debug)]
struct Given {
    codes: Codes,
    blocks: usize,
    group: Vec<u8>,
    activations: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

/// So many numbers: each by itself, or one extreme everywhere, where sums of products overflow first.
fn filled<T: Clone + std::fmt::Debug + 'static>(
    any: impl Strategy<Value = T> + Clone + 'static,
    extremes: Vec<T>,
    count: usize,
) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![
        3 => vec(any, count),
        1 => vec(select(extremes.clone()), count),
        1 => select(extremes).prop_map(move |one| vec![one; count]),
    ]
}

/// Finite 16-bit floats: subnormal, tiny, usual, the largest, of either sign.
fn half() -> impl Strategy<Value = f16> + Clone {
    any::<u16>()
        .prop_map(f16::from_bits)
        .prop_map(|x| if x.is_finite() { x } else { f16::MAX })
}

/// 1 to 13 rows of activations, so that every number of rows that share one look at the weights occurs.
fn given() -> impl Strategy<Value = Given> {
    let codes = select(vec![Codes::Four, Codes::FourMin, Codes::Eight]);
    (codes, 1usize..=4, 1usize..=13).prop_flat_map(|(codes, blocks, rows)| {
        let floats = (codes.block() - codes.bytes()) / 2;
        let bytes = filled(
            any::<u8>(),
            vec![0, 0x0f, 0x7f, 0x80, 0xf0, 0xff],
            codes.bytes(),
        );
        let halves = filled(half(), vec![f16::MAX, f16::MIN, f16::ZERO], floats);
        let columns = rows * blocks * BLOCK;
        let activations = filled(-127i8..=127, vec![-127, 0, 127], columns);
        let scales = vec(
            prop_oneof![Just(0.0f32), 1e-30f32..1e-3, 0.1f32..1e20],
            rows * blocks,
        );
        (vec((bytes, halves), blocks), activations, scales).prop_map(
            move |(group, activations, scales)| {
                let block = |(mut bytes, halves): (Vec<u8>, Vec<f16>)| {
                    bytes.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
                    bytes
                };
                let sum = |(block, scale): (&[i8], &f32)| {
                    scale * block.iter().map(|&x| f32::from(x)).sum::<f32>()
                };
                Given {
                    codes,
                    blocks,
                    group: group.into_iter().flat_map(block).collect(),
                    sums: activations.chunks(BLOCK).zip(&scales).map(sum).collect(),
                    activations,
                    scales,
                }
            },
        )
    })
}

impl Given {
    fn products(&self, kernel: Kernel) -> Vec<[f32; ROWS]> {
        let tile = Tile {
            codes: self.codes,
            group: &self.group,
            blocks: self.blocks,
            activations: &self.activations,
            scales: &self.scales,
            sums: &self.sums,
        };
        let mut found = Vec::new();
        kernel.products(&tile, &mut |row, products| {
            assert_eq!(row, found.len(), "rows come in order");
            found.extend_from_slice(products);
        });
        found
    }

    /// The largest term that a lane can add in a row of activations: what rounding errors are measured
    /// by.
    fn largest(&self, row: usize, lane: usize) -> f32 {
        let blocks = self.group.chunks_exact(self.codes.block());
        let sizes = blocks
            .zip(&self.scales[row * self.blocks..])
            .map(|(block, step)| {
                let (scale, minimum) = packed::scales(self.codes, block, lane);
                (255.0 * scale.abs()).max(minimum.abs()) * step
            });
        sizes.fold(0.0, f32::max) * (127 * BLOCK) as f32
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn every_kernel_equals_the_scalar_twin(given in given()) {
        let wanted = given.products(Kernel::Scalar);
        for kernel in Kernel::here() {
            let found = given.products(kernel);
            prop_assert_eq!(found.len(), wanted.len());
            for (row, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                for (lane, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    let bound = 1e-6 * given.largest(row, lane);
                    prop_assert!(
                        (found - wanted).abs() <= bound,
                        "{:?} {:?}: {} instead of {}, bound {}",
                        kernel, given.codes, found, wanted, bound
                    );
                }
            }
        }
    }
}
