//! Matrix products on slices, any strides, with the checks the raw `gemm` call does not make.

use gemm::{Parallelism, gemm};

use crate::flex::zeros;

/// A matrix inside a slice: element `(r, c)` lies at `r * row + c * column`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows that follow each other.
    pub fn new(values: &'a [f32], shape: [usize; 2]) -> Self {
        Self::strided(values, shape, [shape[1], 1])
    }

    pub fn strided(values: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        assert!(
            fits(values.len(), shape, strides),
            "matrix outside its slice"
        );
        Self {
            values,
            shape,
            strides,
        }
    }

    /// The transpose, no copy.
    pub fn t(self) -> Self {
        Self {
            values: self.values,
            shape: [self.shape[1], self.shape[0]],
            strides: [self.strides[1], self.strides[0]],
        }
    }
}

/// Where a product goes: rows `stride` apart.
pub(crate) struct Target<'a> {
    values: &'a mut [f32],
    shape: [usize; 2],
    stride: usize,
    keep: bool,
}

impl<'a> Target<'a> {
    /// Overwrites.
    pub fn new(values: &'a mut [f32], shape: [usize; 2]) -> Self {
        Self::strided(values, shape, shape[1])
    }

    pub fn strided(values: &'a mut [f32], shape: [usize; 2], stride: usize) -> Self {
        assert!(
            stride >= shape[1] && fits(values.len(), shape, [stride, 1]),
            "matrix outside its slice"
        );
        Self {
            values,
            shape,
            stride,
            keep: false,
        }
    }

    /// Adds to what is there.
    pub fn add(mut self) -> Self {
        self.keep = true;
        self
    }
}

fn fits(len: usize, shape: [usize; 2], strides: [usize; 2]) -> bool {
    let [rows, columns] = shape;
    rows == 0 || columns == 0 || (rows - 1) * strides[0] + (columns - 1) * strides[1] < len
}

/// Threads a product may use.
#[derive(Clone, Copy)]
pub(crate) enum Threads {
    /// The caller is already one of many tasks.
    One,
    Pool,
}

/// `out (+)= factor * a · b`.
pub(crate) fn multiply(
    out: Target<'_>,
    factor: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    threads: Threads,
) {
    let [m, n] = out.shape;
    let k = a.shape[1];
    assert_eq!([m, k], a.shape, "left factor");
    assert_eq!([k, n], b.shape, "right factor");
    if k == 0 && !out.keep {
        out.values
            .chunks_mut(out.stride.max(1))
            .take(m)
            .for_each(|row| row[..n].fill(0.0));
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::Pool => Parallelism::Rayon(0),
    };
    // Safety: the constructors checked that every element lies in its slice, and `out` is borrowed
    // mutably, so it overlaps neither factor.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.values.as_mut_ptr(),
            1,
            out.stride as isize,
            out.keep,
            a.values.as_ptr(),
            a.strides[1] as isize,
            a.strides[0] as isize,
            b.values.as_ptr(),
            b.strides[1] as isize,
            b.strides[0] as isize,
            1.0,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// `a · b` as fresh rows.
pub(crate) fn product(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
    let shape = [a.shape[0], b.shape[1]];
    let mut out = zeros(shape[0] * shape[1]);
    multiply(Target::new(&mut out, shape), 1.0, a, b, Threads::Pool);
    out
}
