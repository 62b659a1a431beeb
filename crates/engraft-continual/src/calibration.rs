//! What a model's layers see: the second moments of their inputs, summed while texts stream by.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
    sync::{Arc, Mutex},
};

use burn::tensor::Tensor;
use clap::ValueEnum;
use engraft_nets::{Batch, Mode, Network, Taps};
use faer::{
    Accum, Mat, MatRef, Par,
    linalg::matmul::matmul,
    traits::{ComplexField, RealField},
};
use serde::{Deserialize, Serialize};

use crate::Targets;

/// Number format of the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Accumulate {
    F32,
    #[default]
    F64,
}

/// What the inputs of one sequence are divided by before they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normaliser {
    /// The largest absolute value.
    LargestAbsolute,
    /// The absolute value of the largest value, as the code of KORE has it.
    LargestSigned,
}

/// The sum is divided by this, whatever the number of sequences (CorDA, KORE).
const SEQUENCES: f64 = 256.0;

/// `C += Xᵀ X / (max² · 256)` for the inputs X `[tokens, in]` of one sequence.
///
/// # Errors
/// If a value is not finite.
pub fn add<T: RealField + Copy + Into<f64>>(
    sum: &mut Mat<T>,
    x: MatRef<'_, T>,
    normaliser: Normaliser,
    from: fn(f64) -> T,
) -> Result<(), String> {
    let mut largest: f64 = f64::NEG_INFINITY;
    for column in x.col_iter() {
        for value in column.iter() {
            let value: f64 = (*value).into();
            if !value.is_finite() {
                return Err(format!("the inputs of a layer hold {value}"));
            }
            largest = largest.max(match normaliser {
                Normaliser::LargestAbsolute => value.abs(),
                Normaliser::LargestSigned => value,
            });
        }
    }
    let largest = largest.abs();
    if largest > 0.0 {
        let factor = from(1.0 / (largest * largest * SEQUENCES));
        matmul(
            sum.as_mut(),
            Accum::Add,
            x.transpose(),
            x,
            factor,
            Par::rayon(0),
        );
    }
    Ok(())
}

/// A sum in one of the number formats.
enum Sum {
    F32(Mat<f32>),
    F64(Mat<f64>),
}

impl Sum {
    fn new(width: usize, accumulate: Accumulate) -> Self {
        match accumulate {
            Accumulate::F32 => Self::F32(zeros(width)),
            Accumulate::F64 => Self::F64(zeros(width)),
        }
    }

    fn add(&mut self, rows: &[f32], width: usize, normaliser: Normaliser) -> Result<(), String> {
        let x = MatRef::from_row_major_slice(rows, rows.len() / width.max(1), width);
        match self {
            Self::F32(sum) => add(sum, x, normaliser, |factor| factor as f32),
            Self::F64(sum) => {
                let wide = Mat::from_fn(x.nrows(), x.ncols(), |i, j| f64::from(x[(i, j)]));
                add(sum, wide.as_ref(), normaliser, |factor| factor)
            }
        }
    }

    fn wide(&self) -> Mat<f64> {
        match self {
            Self::F32(sum) => Mat::from_fn(sum.nrows(), sum.ncols(), |i, j| f64::from(sum[(i, j)])),
            Self::F64(sum) => sum.clone(),
        }
    }
}

fn zeros<T: ComplexField>(width: usize) -> Mat<T> {
    Mat::zeros(width, width)
}

/// Second moments of the inputs of linear layers. Layers that see the same input share one.
pub struct Covariances {
    groups: Vec<Sum>,
    /// Module to group.
    of: BTreeMap<String, usize>,
}

impl Covariances {
    /// Runs the sequences through the network (one a batch, no gradient), each at once forgotten.
    ///
    /// # Errors
    /// If there are none, or an input is not finite.
    pub fn measure(
        network: &dyn Network,
        targets: &Targets,
        sequences: &[Batch],
        normaliser: Normaliser,
        accumulate: Accumulate,
    ) -> Result<Self, String> {
        let mut network = network.detached();
        let recorder = Arc::new(Mutex::new(Recorder {
            groups: Vec::new(),
            of: BTreeMap::new(),
            normaliser,
            accumulate,
            failed: None,
        }));
        for layer in targets.choose(&mut *network) {
            let (module, recorder) = (layer.module().to_owned(), recorder.clone());
            layer.watch(Arc::new(move |x| {
                recorder
                    .lock()
                    .expect("no panic while it is held")
                    .see(&module, x);
            }));
        }
        for sequence in sequences {
            network.forward(sequence, Mode::Eval, &mut Taps::none());
        }
        drop(network);
        let recorder = Arc::into_inner(recorder).expect("the watchers went with the network");
        let recorder = recorder.into_inner().expect("no panic while it was held");
        match recorder.failed {
            Some(failed) => Err(failed),
            None => Ok(Self {
                groups: recorder.groups.into_iter().map(|group| group.sum).collect(),
                of: recorder.of,
            }),
        }
    }

    /// Modules that share one covariance, and that covariance.
    pub fn groups(&self) -> impl Iterator<Item = (Vec<&str>, Mat<f64>)> {
        self.groups.iter().enumerate().map(|(index, sum)| {
            let members = self.of.iter().filter(move |(_, group)| **group == index);
            (
                members.map(|(module, _)| module.as_str()).collect(),
                sum.wide(),
            )
        })
    }
}

/// The layers seen so far.
struct Recorder {
    groups: Vec<Group>,
    of: BTreeMap<String, usize>,
    normaliser: Normaliser,
    accumulate: Accumulate,
    failed: Option<String>,
}

struct Group {
    /// The layer whose inputs are counted; the others see the same.
    first: String,
    /// Of the first sequence's inputs.
    hash: u64,
    width: usize,
    sum: Sum,
}

impl Recorder {
    fn see(&mut self, module: &str, x: &Tensor<2>) {
        if self.failed.is_some() {
            return;
        }
        let known = self.of.get(module).copied();
        if let Some(group) = known
            && self.groups[group].first != module
        {
            return;
        }
        let width = x.dims()[1];
        let data = x.to_data().convert::<f32>();
        let rows: Vec<f32> = data.try_into_vec().expect("just converted to f32");
        let group = known.unwrap_or_else(|| self.meet(module, &rows, width));
        if self.groups[group].first == module {
            let sum = &mut self.groups[group].sum;
            if let Err(problem) = sum.add(&rows, width, self.normaliser) {
                self.failed = Some(format!("{module}: {problem}"));
            }
        }
    }

    /// The group of a layer that is seen for the first time.
    fn meet(&mut self, module: &str, rows: &[f32], width: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        rows.iter()
            .for_each(|value| hasher.write_u32(value.to_bits()));
        let hash = hasher.finish();
        let same = |group: &Group| group.hash == hash && group.width == width;
        let group = self.groups.iter().position(same).unwrap_or_else(|| {
            self.groups.push(Group {
                first: module.to_owned(),
                hash,
                width,
                sum: Sum::new(width, self.accumulate),
            });
            self.groups.len() - 1
        });
        self.of.insert(module.to_owned(), group);
        group
    }
}
