//! A linear map: weights in f32 or packed, applied to rows of activations.

mod dots;
mod transposed;

use std::ops::Range;

use engraft_files::{Stored, WeightsError};
use gemm::{Parallelism, gemm};
use rten_simd::SimdOp;

use self::dots::Dots;
use crate::{
    kernel::{Kernel, Tile},
    packed::{BLOCK, Packed, ROWS},
    rounded::{Rounded, Rounding},
    team::Team,
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
            let round = |x: &[f32], row: usize, left: &mut [f32]| {
                // SAFETY: every row, and what is left of it, is one tile's own.
                let rounding = unsafe {
                    Rounding {
                        x,
                        codes: codes.row(row, columns),
                        scales: scales.row(row, blocks),
                        sums: sums.row(row, blocks),
                        left,
                    }
                };
                rounding.dispatch();
            };
            let mut left = vec![0.0; if self.fine { columns } else { 0 }];
            for row in range {
                round(&x[row * columns..(row + 1) * columns], row, &mut left);
                if self.fine {
                    round(&left, rows + row, &mut []);
                }
            }
        });
    }

    /// `x W^T + b` of rows `[count, columns]`, prepared in `input`, into `[count, rows]`.
    pub fn apply(&self, x: &[f32], input: &Input, out: &mut [f32], kernel: Kernel, team: &Team) {
        apply(x, input, [Product::new(self, out)], kernel, team);
    }

    /// Groups of rows.
    fn groups(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// The part of a product that these groups of rows give.
    ///
    /// # Safety
    /// Nobody else writes these columns of the output meanwhile.
    unsafe fn part(
        &self,
        groups: Range<usize>,
        (x, input): (&[f32], &Input),
        (place, added): (&Rows<f32>, bool),
        kernel: Kernel,
    ) {
        let count = x.len() / self.columns;
        let rows = groups.start * ROWS..self.rows.min(groups.end * ROWS);
        match &self.weights {
            Weights::Full(all) => {
                let weights = &all[rows.start * self.columns..rows.end * self.columns];
                // SAFETY: as promised to this function.
                unsafe { self.full(weights, rows.clone(), x, (place, added)) }
            }
            Weights::Packed(packed) => {
                let (blocks, rounded) = (packed.blocks, &input.rounded);
                let given = if self.fine { 2 * count } else { count };
                for group in groups {
                    let tile = Tile {
                        codes: packed.codes,
                        group: packed.group(group),
                        blocks,
                        activations: &rounded.codes[..given * self.columns],
                        scales: &rounded.scales[..given * blocks],
                        sums: &rounded.sums[..given * blocks],
                    };
                    let first = group * ROWS;
                    let wanted = ROWS.min(self.rows - first);
                    kernel.products(&tile, &mut |start, found| {
                        for (row, found) in (start..).zip(found) {
                            let at = row % count * self.rows + first;
                            // SAFETY: as promised to this function.
                            let out = unsafe { place.part(at, wanted) };
                            let added = added || row >= count;
                            match <&mut [f32; ROWS]>::try_from(&mut *out) {
                                Ok(out) => put(out, found, added),
                                Err(_) => put(out, &found[..wanted], added),
                            }
                        }
                    });
                }
            }
        }
        if let Some(bias) = &self.bias {
            for row in 0..count {
                // SAFETY: as promised to this function.
                let out = unsafe { place.part(row * self.rows + rows.start, rows.len()) };
                let pairs = out.iter_mut().zip(&bias[rows.clone()]);
                pairs.for_each(|(out, bias)| *out += bias);
            }
        }
    }

    /// The products with these rows of full weights.
    ///
    /// # Safety
    /// As [`Matrix::part`].
    unsafe fn full(
        &self,
        weights: &[f32],
        rows: Range<usize>,
        x: &[f32],
        (place, added): (&Rows<f32>, bool),
    ) {
        let (columns, count) = (self.columns, x.len() / self.columns);
        if count <= FEW {
            let dots = Dots {
                weights,
                x,
                columns,
                out: &mut |at, row, found| {
                    // SAFETY: as promised to this function.
                    let out = unsafe { place.part(row * self.rows + rows.start + at, 1) };
                    out[0] = if added { out[0] + found } else { found };
                },
            };
            dots.dispatch();
            return;
        }
        // SAFETY: as promised to this function, and strides and sizes are those of the slices.
        unsafe {
            gemm(
                count,
                rows.len(),
                columns,
                place.start().add(rows.start),
                1,
                self.rows as isize,
                added,
                x.as_ptr(),
                1,
                columns as isize,
                weights.as_ptr(),
                columns as isize,
                1,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

#[inline(always)]
fn put(out: &mut [f32], found: &[f32], added: bool) {
    match added {
        true => out.iter_mut().zip(found).for_each(|(out, x)| *out += x),
        false => out.copy_from_slice(found),
    }
}

/// A product to be computed.
pub(crate) struct Product<'a> {
    matrix: &'a Matrix,
    out: Rows<f32>,
    added: bool,
}

impl<'a> Product<'a> {
    /// Into `out`, `[count, rows]`.
    pub fn new(matrix: &'a Matrix, out: &'a mut [f32]) -> Self {
        Self {
            matrix,
            out: Rows::new(out),
            added: false,
        }
    }

    /// Added to what stands in `out`.
    pub fn added(matrix: &'a Matrix, out: &'a mut [f32]) -> Self {
        Self {
            added: true,
            ..Self::new(matrix, out)
        }
    }
}

/// Products of the same rows `[count, columns]`, prepared in `input`, with several matrices: one parallel
/// section for all of them.
pub(crate) fn apply<const N: usize>(
    x: &[f32],
    input: &Input,
    products: [Product<'_>; N],
    kernel: Kernel,
    team: &Team,
) {
    // One tile a thread and matrix: weights are asked for ahead of their use, and every tile begins anew.
    let size = |matrix: &Matrix| matrix.groups().div_ceil(team.threads()).max(2);
    let tiles = |product: &Product<'_>| product.matrix.groups().div_ceil(size(product.matrix));
    team.run(products.iter().map(tiles).sum(), &|mut tile| {
        for product in &products {
            let (matrix, tiles) = (product.matrix, tiles(product));
            if tile < tiles {
                let size = size(matrix);
                let groups = tile * size..matrix.groups().min((tile + 1) * size);
                // SAFETY: every range of columns of an output is one tile's own.
                unsafe { matrix.part(groups, (x, input), (&product.out, product.added), kernel) };
                return;
            }
            tile -= tiles;
        }
    });
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
