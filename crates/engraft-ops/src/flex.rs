//! The CPU backend's tensors as plain slices, and the two habits all kernels share: work is split by
//! shape (never by the number of threads), and small work stays on the calling thread.

use std::mem::MaybeUninit;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use rayon::prelude::*;
use rten_simd::{Isa, SimdOp};

/// Below this many elements a second thread costs more than it saves.
const SEQUENTIAL: usize = 32 * 1024;

/// Elements a task gets.
const TASK: usize = 16 * 1024;

/// The tensor with rows that follow each other in memory; copies views.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The values of a [`contiguous`] `f32` tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous f32 tensor")
}

/// The values of a [`contiguous`] `f32` tensor for writing; copies first if they are shared.
pub(crate) fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    let (start, end) = tensor
        .layout()
        .contiguous_offsets()
        .expect("a contiguous tensor");
    &mut tensor.storage_mut::<f32>()[start..end]
}

/// Zeros whose pages the pool's threads touch first: on one thread, clearing the pages of a fresh
/// output costs more than many kernels that fill it.
pub(crate) fn zeros(len: usize) -> Vec<f32> {
    if len < SEQUENTIAL {
        return vec![0.0; len];
    }
    let mut values = Vec::with_capacity(len);
    let parts = values.spare_capacity_mut()[..len].par_chunks_mut(TASK);
    parts.for_each(|part| part.fill(MaybeUninit::new(0.0)));
    // Safety: all of the first `len` elements have just been written.
    unsafe { values.set_len(len) };
    values
}

/// `count` copies of `row`, one after the other.
pub(crate) fn copies(row: &[f32], count: usize) -> Vec<f32> {
    let (width, len) = (row.len().max(1), row.len() * count);
    let mut values = Vec::with_capacity(len);
    let free = &mut values.spare_capacity_mut()[..len];
    let task = rows_per_task(count, width) * width;
    each(free.chunks_mut(task).collect(), |part| {
        for to in part.chunks_exact_mut(width) {
            to.write_copy_of_slice(row);
        }
    });
    // Safety: `len` is a whole number of rows, and each has just been written.
    unsafe { values.set_len(len) };
    values
}

/// A tensor of these values.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape.into()),
        DType::F32,
    )
}

/// Every value times `factor`, in place where nobody else holds the values.
pub(crate) fn scaled(tensor: FlexTensor, factor: f32) -> FlexTensor {
    if factor == 1.0 {
        return tensor;
    }
    let mut tensor = contiguous(tensor);
    let all = values_mut(&mut tensor);
    let task = rows_per_task(all.len(), 1);
    each(all.chunks_mut(task.max(1)).collect(), |part| {
        wide(
            #[inline(always)]
            || part.iter_mut().for_each(|value| *value *= factor),
        );
    });
    tensor
}

/// How many rows of `width` elements one task gets.
pub(crate) fn rows_per_task(rows: usize, width: usize) -> usize {
    if rows * width < SEQUENTIAL {
        rows.max(1)
    } else {
        (TASK / width.max(1)).max(1)
    }
}

/// Runs `work` on every item, in parallel if there is more than one.
pub(crate) fn each<T: Send>(items: Vec<T>, work: impl Fn(T) + Send + Sync) {
    if items.len() < 2 {
        items.into_iter().for_each(work);
    } else {
        items.into_par_iter().for_each(work);
    }
}

/// The same, answers in the order of the items.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    if items.len() < 2 {
        items.into_iter().map(work).collect()
    } else {
        items.into_par_iter().map(work).collect()
    }
}

/// Runs a loop compiled for the widest vectors this machine has; the closure must be inlined.
#[inline(always)]
pub(crate) fn wide<R>(run: impl FnOnce() -> R) -> R {
    Wide(run).dispatch()
}

struct Wide<F>(F);

impl<R, F: FnOnce() -> R> SimdOp for Wide<F> {
    type Output = R;

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) -> R {
        (self.0)()
    }
}

/// Sums of the columns of `[rows, width]`.
pub(crate) fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.len() / width.max(1);
    let task = rows_per_task(rows, width);
    let parts = map(values.chunks((task * width).max(1)).collect(), |part| {
        let mut sums = vec![0.0; width];
        add_rows(&mut sums, part);
        sums
    });
    let mut sums = vec![0.0; width];
    parts.iter().for_each(|part| add_rows(&mut sums, part));
    sums
}

fn add_rows(sums: &mut [f32], rows: &[f32]) {
    wide(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(sums.len()) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
}
