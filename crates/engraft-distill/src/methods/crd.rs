//! CRD — the student's embedding of a sample recognises the teacher's among many.
//!
//! # What it does
//! Contrasts each sample's student embedding with the teacher's embeddings of many other samples (and
//! the reverse), from memory banks, so that more than pairwise structure is carried over.
//!
//! # When to use it, when not
//! For classifiers with a fixed, numbered data set, added to `hinton` or labels (published weight
//! 0.8). Not for streams of fresh samples: the banks need every sample to come back.
//!
//! # How
//! Embeddings `v = unit(W f + b)`; scores `exp(bank · v / tau) / Z`, with `Z` set once at the first
//! batch; per side `-[sum log(P+ / (P+ + K/N + 1e-7)) + sum log((K/N) / (P- + K/N + 1e-7))] / batch`;
//! then each bank row becomes `unit(momentum * row + (1 - momentum) * v)`.
//!
//! # Where paper and code differ and which we follow
//! The code is followed: Z stays what the first batch gave. Negatives are drawn uniformly over the
//! data set (the code excludes the sample's class where labels are known).
//!
//! # Evidence
//! Parity with mdistiller: `parity/kd-baselines`, kind `crd`.
//!
//! # Reference
//! Tian, Krishnan, Isola. Contrastive Representation Distillation. ICLR 2020, arXiv 1910.10699.

use burn::tensor::{Device, Int, Tensor, TensorData};
use clap::Args;
use engraft_method::{
    Need,
    parity::{Case, Check, ParityError},
};
use engraft_nets::{Parameter, Role, Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::jsd::unit_interval;
use crate::{
    DistillMethod, Objective, Run, View,
    projection::{Projection, keyed_seed},
    reference::{gradient, matrix, scalar, values},
};

/// Settings of `crd`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Crd {
    /// Width of the embeddings.
    #[arg(long, default_value_t = Self::default().width)]
    pub width: usize,
    /// Negatives a sample.
    #[arg(long, default_value_t = Self::default().negatives)]
    pub negatives: usize,
    /// Divides the scores.
    #[arg(long, default_value_t = Self::default().tau)]
    pub tau: f32,
    /// How much of a bank row stays at each update.
    #[arg(long, default_value_t = Self::default().momentum)]
    pub momentum: f32,
}

impl Default for Crd {
    fn default() -> Self {
        Self {
            width: 128,
            negatives: 16384,
            tau: 0.07,
            momentum: 0.5,
        }
    }
}

impl DistillMethod for Crd {
    const NAME: &'static str = "crd";
    const NEEDS: &'static [Need] = &[Need::PooledFeatures, Need::SampleIndex];
    const CHECKS: &'static [Check] = &[Check {
        slug: "kd-baselines",
        kind: "crd",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        if self.width == 0 || self.negatives == 0 || self.tau <= 0.0 {
            return Err("width, negatives and tau must be above 0".to_owned());
        }
        unit_interval("momentum", self.momentum)
    }

    fn objective(&self, run: &Run) -> Box<dyn Objective> {
        let samples = run.samples.unwrap_or(1);
        Box::new(Contrast {
            student: Projection::new("crd.student", run.student.width, self.width, run.seed),
            teacher: Projection::new("crd.teacher", run.teacher.width, self.width, run.seed),
            banks: Banks {
                student: Bank::new("crd.student_bank", samples, self.width, run.seed),
                teacher: Bank::new("crd.teacher_bank", samples, self.width, run.seed),
                scales: None,
                tau: self.tau,
                momentum: self.momentum,
            },
            negatives: self.negatives.min(samples),
            seed: run.seed,
        })
    }
}

struct Contrast {
    student: Projection,
    teacher: Projection,
    banks: Banks,
    negatives: usize,
    seed: u64,
}

impl Objective for Contrast {
    fn loss(&mut self, view: &View<'_>) -> Tensor<1> {
        let (student, teacher) = view.features();
        let student = unit(self.student.apply(student));
        let teacher = unit(self.teacher.apply(teacher.autodiff()));
        let samples = self.banks.student.rows();
        let mut contrast = Vec::with_capacity(view.samples.len() * (self.negatives + 1));
        for &sample in view.samples {
            let key = format!("crd negatives {} {sample}", view.step.index);
            let mut rng = ChaCha8Rng::seed_from_u64(keyed_seed(self.seed, &key));
            contrast.push(sample as i64);
            contrast.extend((0..self.negatives).map(|_| rng.random_range(0..samples) as i64));
        }
        let index: Vec<i64> = view.samples.iter().map(|&sample| sample as i64).collect();
        self.banks.step(student, teacher, &index, contrast)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = self.student.parameters_mut();
        all.extend(self.teacher.parameters_mut());
        all.push(&mut self.banks.student.rows);
        all.push(&mut self.banks.teacher.rows);
        all
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!(self.banks.scales)
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
        self.banks.scales = serde_json::from_value(state).map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// A remembered embedding for every sample.
struct Bank {
    rows: Parameter,
}

impl Bank {
    fn new(name: &str, samples: usize, width: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(keyed_seed(seed, name));
        let bound = 1.0 / (width as f32 / 3.0).sqrt();
        let numbers: Vec<f32> = (0..samples * width)
            .map(|_| rng.random_range(-bound..bound))
            .collect();
        Self::from(name, TensorData::new(numbers, [samples, width]))
    }

    fn from(name: &str, numbers: TensorData) -> Self {
        let rows = Tensor::<2>::from_data(numbers, &Device::flex());
        Self {
            rows: Parameter::new(name, Role::Statistic, Value::R2(rows)),
        }
    }

    fn rows(&self) -> usize {
        self.rows.value.dims()[0]
    }

    /// `unit(momentum * row + (1 - momentum) * v)` for each listed sample.
    fn update(&mut self, index: &[i64], embeddings: Tensor<2>, momentum: f32) {
        let bank = self.rows.r2().inner();
        let [_, width] = bank.dims();
        let at = Tensor::<1, Int>::from_data(
            TensorData::new(index.to_vec(), [index.len()]),
            &bank.device(),
        );
        let new = values(unit(
            bank.clone().select(0, at) * momentum
                + embeddings.detach().inner().to_device(&bank.device()) * (1.0 - momentum),
        ));
        let mut all = values(bank);
        for (row, &sample) in index.iter().enumerate() {
            let (from, to) = (row * width, sample as usize * width);
            all[to..to + width].copy_from_slice(&new[from..from + width]);
        }
        let samples = all.len() / width;
        let device = Device::flex();
        self.rows.value = Value::R2(Tensor::from_data(
            TensorData::new(all, [samples, width]),
            &device,
        ));
    }
}

struct Banks {
    student: Bank,
    teacher: Bank,
    /// `(Z_s, Z_t)`, set at the first batch.
    scales: Option<(f32, f32)>,
    tau: f32,
    momentum: f32,
}

impl Banks {
    /// Scores both sides, then updates the banks. `contrast`: `[batch, 1 + negatives]`, own sample first.
    fn step(
        &mut self,
        student: Tensor<2>,
        teacher: Tensor<2>,
        index: &[i64],
        contrast: Vec<i64>,
    ) -> Tensor<1> {
        let samples = self.student.rows();
        let score = |bank: &Bank, embeddings: &Tensor<2>| {
            let [batch, width] = embeddings.dims();
            let many = contrast.len() / batch;
            let bank = bank.rows.r2().inner();
            let at = Tensor::<1, Int>::from_data(
                TensorData::new(contrast.clone(), [batch * many]),
                &bank.device(),
            );
            let device = embeddings.device().without_autodiff();
            let rows = bank.select(0, at).reshape([batch, many, width]);
            let rows = rows.to_device(&device).autodiff();
            let scores = rows.matmul(embeddings.clone().reshape([batch, width, 1]));
            (scores / self.tau).exp().reshape([batch, many])
        };
        let student_scores = score(&self.teacher, &student);
        let teacher_scores = score(&self.student, &teacher);
        let scale =
            |scores: &Tensor<2>| scalar(scores.clone().inner().mean()) as f32 * samples as f32;
        let (for_student, for_teacher) = *self
            .scales
            .get_or_insert_with(|| (scale(&student_scores), scale(&teacher_scores)));
        let loss = side(student_scores / for_student, samples)
            + side(teacher_scores / for_teacher, samples);
        self.student.update(index, student, self.momentum);
        self.teacher.update(index, teacher, self.momentum);
        loss
    }
}

/// One side's loss from its scores `[batch, 1 + negatives]`, the positive first.
fn side(scores: Tensor<2>, samples: usize) -> Tensor<1> {
    let [batch, many] = scores.dims();
    let noise = (many - 1) as f32 / samples as f32;
    let positive = scores.clone().slice([0..batch, 0..1]);
    let negative = scores.slice([0..batch, 1..many]);
    let found = (positive.clone() / (positive + (noise + 1e-7))).log().sum();
    let rejected = ((negative + (noise + 1e-7)).recip() * noise).log().sum();
    (found + rejected).neg() / batch as f32
}

/// Rows of length 1.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let norm = rows.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
    rows / norm
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let bank = |case: &Case, name: &str| -> Result<Bank, ParityError> {
        let numbers = case.input(name)?;
        Ok(Bank::from(
            name,
            TensorData::new(numbers.f32(), numbers.rows()),
        ))
    };
    let mut banks = Banks {
        student: bank(case, "memory_s_before")?,
        teacher: bank(case, "memory_t_before")?,
        scales: None,
        tau: case.number("nce_t")? as f32,
        momentum: case.number("momentum")? as f32,
    };
    let (samples, negatives) = (case.number("n_data")? as usize, case.number("K")? as usize);
    let contrast = case.input("contrast_idx")?;
    if banks.student.rows() != samples || contrast.rows()[1] != negatives + 1 {
        return Err(ParityError::Computation(
            "n_data or K differs from the tensors".to_owned(),
        ));
    }
    let student = matrix(case.input("v_s")?).autodiff().require_grad();
    let teacher = matrix(case.input("v_t")?).autodiff();
    let index = case.input("index")?.i64();
    let loss = banks.step(student.clone(), teacher, &index, contrast.i64());
    let (for_student, for_teacher) = banks.scales.unwrap_or_default();
    case.output("Z_s", [f64::from(for_student)]);
    case.output("Z_t", [f64::from(for_teacher)]);
    case.output("loss", [scalar(loss.clone())]);
    case.output_f32("grad_v_s", &gradient(&loss, &student));
    case.output_f32("memory_s_after", &banks.student.rows.value.to_vec());
    case.output_f32("memory_t_after", &banks.teacher.rows.value.to_vec());
    Ok(())
}
