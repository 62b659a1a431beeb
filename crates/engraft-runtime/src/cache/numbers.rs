//! Cached numbers: in 32 bits where a model computes in them, in 16 where it rounds anyway, which halves
//! what every new token reads.

use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use rten_simd::f16;

use crate::matrix::Precision;

#[derive(Clone)]
pub(crate) enum Numbers {
    Full(Vec<f32>),
    Half(Vec<f16>),
}

impl Numbers {
    pub fn zeros(count: usize, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Full(vec![0.0; count]),
            Precision::Int8 => Self::Half(vec![f16::default(); count]),
        }
    }

    /// Writes runs of `length` numbers, run `n` from `place(n)` on.
    pub fn write(&mut self, numbers: &[f32], length: usize, place: impl Fn(usize) -> usize) {
        match self {
            Self::Full(all) => {
                for (run, numbers) in numbers.chunks_exact(length).enumerate() {
                    all[place(run)..][..length].copy_from_slice(numbers);
                }
            }
            Self::Half(all) => {
                let mut rounded = vec![half::f16::ZERO; numbers.len()];
                rounded.convert_from_f32_slice(numbers);
                for (run, numbers) in rounded.chunks_exact(length).enumerate() {
                    for (own, number) in all[place(run)..].iter_mut().zip(numbers) {
                        *own = f16::from_bits(number.to_bits());
                    }
                }
            }
        }
    }

    pub fn read(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Full(all) => Cow::Borrowed(all),
            Self::Half(all) => Cow::Owned(all.iter().map(|number| number.to_f32()).collect()),
        }
    }

    /// The numbers in 32 bits from now on.
    pub fn in_full(&mut self) -> &mut [f32] {
        if let Self::Half(_) = self {
            *self = Self::Full(self.read().into_owned());
        }
        match self {
            Self::Full(all) => all,
            Self::Half(_) => unreachable!("they were just made full"),
        }
    }
}
