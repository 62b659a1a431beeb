//! Comparison of two ways to compute the same, and of one way with central differences.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers that look random and do not depend on anything but `seed`.
pub fn numbers(seed: u64, count: usize) -> Vec<f64> {
    (0..count as u64)
        .map(|i| {
            let mut x = (seed << 32 | i)
                .wrapping_add(1)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x = (x ^ x >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x ^= x >> 29;
            (x >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
        })
        .collect()
}

/// A plain `f32` tensor of such numbers on the CPU.
pub fn tensor<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(numbers(seed, shape.iter().product()), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F32))
}

pub fn leaf<const D: usize>(plain: &Tensor<D>) -> Tensor<D> {
    plain.clone().autodiff().require_grad()
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .into_data()
        .convert::<f64>()
        .try_into_vec()
        .expect("floats")
}

/// A scalar that depends on every output in its own way, so that upstream gradients differ.
pub fn mixed<const D: usize>(output: Tensor<D>) -> Tensor<1> {
    let dims = output.dims();
    let dtype = output.dtype();
    let data = TensorData::new(numbers(99, dims.iter().product()), dims);
    let weights = Tensor::<D>::from_data(data, (&output.device(), dtype));
    (output * weights).sum()
}

#[track_caller]
pub fn close(name: &str, found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len(), "{name}: lengths");
    let size = wanted.iter().fold(1e-2f64, |size, x| size.max(x.abs()));
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= tolerance * size,
            "{name}[{i}]: {found} instead of {wanted}"
        );
    }
}

/// Value and gradients of `fused` and `composed` on the same leaves.
#[track_caller]
pub fn same<const D: usize, const N: usize>(
    name: &str,
    leaves: [Tensor<D>; N],
    fused: impl Fn([Tensor<D>; N]) -> Tensor<1>,
    composed: impl Fn([Tensor<D>; N]) -> Tensor<1>,
    tolerance: f64,
) {
    let run = |operation: &dyn Fn([Tensor<D>; N]) -> Tensor<1>| {
        let tracked = leaves.each_ref().map(leaf);
        let loss = operation(tracked.clone());
        let gradients = loss.backward();
        let found = tracked.map(|leaf| values(leaf.grad(&gradients).expect("a gradient")));
        (values(loss), found)
    };
    let (value, found) = run(&fused);
    let (wanted, expected) = run(&composed);
    close(&format!("{name}: value"), &value, &wanted, tolerance);
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        close(&format!("{name}: gradient {i}"), found, expected, tolerance);
    }
}

/// Gradients of `operation` in `f64` beside central differences.
#[track_caller]
pub fn central<const D: usize, const N: usize>(
    name: &str,
    leaves: [Tensor<D>; N],
    operation: impl Fn([Tensor<D>; N]) -> Tensor<1>,
) {
    let doubles = leaves.map(|leaf| leaf.cast(DType::F64));
    let tracked = doubles.each_ref().map(leaf);
    let gradients = operation(tracked.clone()).backward();
    for (which, tracked) in tracked.iter().enumerate() {
        let found = values(tracked.grad(&gradients).expect("a gradient"));
        let dims = doubles[which].dims();
        let base = values(doubles[which].clone());
        let wanted: Vec<f64> = (0..base.len())
            .map(|i| {
                let at = |by: f64| {
                    let mut moved = base.clone();
                    moved[i] += by;
                    let mut inputs = doubles.clone();
                    let data = TensorData::new(moved, dims);
                    inputs[which] = Tensor::from_data(data, (&Device::flex(), DType::F64));
                    values(operation(inputs))[0]
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            })
            .collect();
        close(
            &format!("{name}: differences {which}"),
            &found,
            &wanted,
            1e-6,
        );
    }
}
