//! A linear map: weights in f32 or packed, applied to rows of activations.

mod transposed;

use engraft_files::{Stored, WeightsError};
use gemm::{Parallelism, gemm};

use crate::{
    kernel::{Kernel, Tile},
    packed::{BLOCK, Packed, ROWS, Rounded, quantise, remainder},
    team::Team,
    wide::{dot, wide},
};

/// How a model computes its products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Weights and activations in 32-bit floats: for measuring.
    F32,
    /// Weights as they are stored or in eight bits, activations rounded to eight bits.
    #[default]
    Int8,
}

/// Weights `[rows, columns]`.
pub(crate) enum Weights {
    Full(Vec<f32>),
    Packed(Packed),
}

/// A linear map of `columns` numbers to `rows`.
pub(crate) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    weights: Weights,
    bias: Option<Vec<f32>>,
    /// Whether what rounding the activations to eight bits leaves is rounded once more and counted too:
    /// sixteen bits in effect, for twice the products and the same look at the weights.
    pub fine: bool,
}

/// Activations as the next products read them.
#[derive(Default)]
pub(crate) struct Input {
    rounded: Rounded,
}

/// Rows of activations up to which every row of weights is read once for all of them.
const FEW: usize = 8;

impl Matrix {
    /// # Errors
    /// Numbers that are not finite.
    pub fn of(
        stored: &Stored<'_>,
        [rows, columns]: [usize; 2],
        bias: Option<Vec<f32>>,
        precision: Precision,
    ) -> Result<Self, WeightsError> {
        // Rows that blocks do not divide stay in floats.
        let weights = match precision == Precision::Int8 && columns.is_multiple_of(BLOCK) {
            true => Weights::Packed(Packed::of(stored, columns)?),
            false => Weights::Full(stored.numbers()?),
        };
        Ok(Self {
            rows,
            columns,
            weights,
            bias,
            fine: false,
        })
    }

    /// Row `row` of the weights, for embeddings.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        match &self.weights {
            Weights::Full(all) => {
                out.copy_from_slice(&all[row * self.columns..(row + 1) * self.columns]);
            }
            Weights::Packed(packed) => packed.row(row, out),
        }
    }

    /// Prepares rows `[count, columns]` for [`Matrix::apply`] of any matrix of as many columns.
    pub fn prepare(&self, x: &[f32], input: &mut Input, team: &Team) {
        if let Weights::Full(_) = self.weights {
            return;
        }
        let rows = x.len() / self.columns;
        let rounded = &mut input.rounded;
        let parts = if self.fine { 2 } else { 1 };
        rounded.resize(parts * rows, self.columns);
        let (columns, blocks) = (self.columns, self.columns / BLOCK);
        let codes = Rows::new(&mut rounded.codes);
        let (scales, sums) = (Rows::new(&mut rounded.scales), Rows::new(&mut rounded.sums));
        team.split(rows, 8, &|range| {
            let round = |x: &[f32], row: usize| {
                // SAFETY: every row, and what is left of it, is one tile's own.
                let (codes, scales, sums) = unsafe {
                    (
                        codes.row(row, columns),
                        scales.row(row, blocks),
                        sums.row(row, blocks),
                    )
                };
                quantise(x, codes, scales, sums);
                (codes, scales)
            };
            let mut left = vec![0.0; if self.fine { columns } else { 0 }];
            for row in range {
                let x = &x[row * columns..(row + 1) * columns];
                let (codes, scales) = round(x, row);
                if self.fine {
                    remainder(x, codes, scales, &mut left);
                    round(&left, rows + row);
                }
            }
        });
    }

    /// `x W^T + b` of rows `[count, columns]`, prepared in `input`, into `[count, rows]`.
    pub fn apply(&self, x: &[f32], input: &Input, out: &mut [f32], kernel: Kernel, team: &Team) {
        let count = x.len() / self.columns;
        let place = Rows::new(out);
        match &self.weights {
            Weights::Full(all) => self.full(all, x, count, &place, team),
            Weights::Packed(packed) => {
                let (blocks, rounded) = (packed.blocks, &input.rounded);
                let rows = if self.fine { 2 * count } else { count };
                team.split(packed.groups(), 2, &|groups| {
                    for group in groups {
                        let tile = Tile {
                            codes: packed.codes,
                            group: packed.group(group),
                            blocks,
                            activations: &rounded.codes[..rows * self.columns],
                            scales: &rounded.scales[..rows * blocks],
                            sums: &rounded.sums[..rows * blocks],
                        };
                        let first = group * ROWS;
                        let wanted = ROWS.min(self.rows - first);
                        kernel.products(&tile, &mut |row, found| {
                            // SAFETY: every group of columns is one tile's own.
                            let at = row % count * self.rows + first;
                            let out = unsafe { place.part(at, wanted) };
                            match row < count {
                                true => out.copy_from_slice(&found[..wanted]),
                                false => out.iter_mut().zip(found).for_each(|(out, x)| *out += x),
                            }
                        });
                    }
                });
            }
        }
        if let Some(bias) = &self.bias {
            for out in out.chunks_exact_mut(self.rows) {
                out.iter_mut()
                    .zip(bias)
                    .for_each(|(out, bias)| *out += bias);
            }
        }
    }

    fn full(&self, all: &[f32], x: &[f32], count: usize, place: &Rows<f32>, team: &Team) {
        let columns = self.columns;
        team.split(self.rows, 16, &|rows| {
            let weights = &all[rows.start * columns..rows.end * columns];
            if count <= FEW {
                wide(
                    #[inline(always)]
                    || {
                        for (at, weights) in weights.chunks_exact(columns).enumerate() {
                            for (row, x) in x.chunks_exact(columns).enumerate() {
                                let found = dot(x, weights);
                                // SAFETY: every range of columns is one tile's own.
                                let out =
                                    unsafe { place.part(row * self.rows + rows.start + at, 1) };
                                out[0] = found;
                            }
                        }
                    },
                );
                return;
            }
            // SAFETY: the ranges of columns of the output that tiles write do not overlap, and strides
            // and sizes are those of the slices.
            unsafe {
                gemm(
                    count,
                    rows.len(),
                    columns,
                    place.start().add(rows.start),
                    1,
                    self.rows as isize,
                    false,
                    x.as_ptr(),
                    1,
                    columns as isize,
                    weights.as_ptr(),
                    columns as isize,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        });
    }
}

/// A slice whose parts several threads write, each its own.
pub(crate) struct Rows<T> {
    start: *mut T,
    length: usize,
}

// SAFETY: who takes a part promises that it is nobody else's.
unsafe impl<T: Send> Sync for Rows<T> {}

impl<T> Rows<T> {
    pub fn new(all: &mut [T]) -> Self {
        Self {
            start: all.as_mut_ptr(),
            length: all.len(),
        }
    }

    fn start(&self) -> *mut T {
        self.start
    }

    /// # Safety
    /// Nobody else uses these numbers meanwhile, and the slice lives.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, from: usize, length: usize) -> &mut [T] {
        assert!(from + length <= self.length);
        // SAFETY: inside the slice; the rest is promised.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), length) }
    }

    /// # Safety
    /// As [`Rows::part`].
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn row(&self, row: usize, width: usize) -> &mut [T] {
        // SAFETY: promised.
        unsafe { self.part(row * width, width) }
    }
}
