//! LoRA — a low-rank addition to each chosen layer learns, the weights stay.
//!
//! # What it does
//! Freezes the model and trains two thin matrices beside each chosen linear layer, whose product is
//! added to the layer's weight: little to train, little to ship, and the base model stays as it is.
//!
//! # When to use it, when not
//! The first thing to try when a model must learn something. It does not know what the model must
//! keep: where that matters compare it with `kore` on your own data.
//!
//! # How
//! `y = W x + (alpha / rank) B (A x)`, A drawn from `U(-1/sqrt(in), 1/sqrt(in))`, B zero, so the
//! taught model starts as the base model. Only A and B have gradients and optimiser state. The result
//! is saved merged, or as an adapter in PEFT's format (`save: adapter`).
//!
//! # Where paper and code differ and which we follow
//! The paper draws A from a normal distribution, the PEFT library from the uniform one above; we
//! follow the library, its rank 8 and alpha 8, and train without dropout as it does by default.
//!
//! # Evidence
//! Facts taught to SmolLM2 beside `full`, `kore` and `mix-cpt`: `docs/evidence.md`. Time beside PEFT:
//! `docs/performance.md`.
//!
//! # Reference
//! Hu et al. LoRA: Low-Rank Adaptation of Large Language Models. 2021, arXiv 2106.09685.

use clap::Args;
use engraft_method::{Need, parity::Check};
use engraft_nets::{Delta, Network, Parameter, peft::factor_name};
use engraft_train::key;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{Lesson, Prepared, Targets, TeachMethod};

/// Settings of `lora`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Lora {
    /// Rank of the addition.
    #[arg(long, default_value_t = Self::default().rank)]
    pub rank: usize,
    /// The addition counts `alpha / rank` times.
    #[arg(long, default_value_t = Self::default().alpha)]
    pub alpha: f32,
    #[command(flatten)]
    #[serde(flatten)]
    pub targets: Targets,
}

impl Default for Lora {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 8.0,
            targets: Targets::default(),
        }
    }
}

impl TeachMethod for Lora {
    const NAME: &'static str = "lora";
    const RATE: f64 = 5e-4;
    const NEEDS: &'static [Need] = &[];
    const CHECKS: &'static [Check] = &[];

    const ADAPTER: bool = true;

    fn check(&self) -> Result<(), String> {
        match self.alpha.is_finite() && self.alpha != 0.0 {
            true => Ok(()),
            false => Err(format!(
                "alpha is {}; it must be a number other than 0",
                self.alpha
            )),
        }
    }

    fn fits(&self, network: &dyn Network) -> Result<(), String> {
        self.targets
            .check(network, self.rank, |[out, input]| out.min(input))
    }

    fn prepare(
        &self,
        mut network: Box<dyn Network>,
        lesson: &Lesson<'_>,
    ) -> Result<Prepared, String> {
        let factor = self.alpha / self.rank as f32;
        self.targets.attach(&mut *network, Self::NAME, |layer| {
            let [out, input] = layer.shape();
            let module = layer.module();
            let mut rng = key::rng(lesson.seed, &format!("lora {module}"), 0);
            let bound = 1.0 / (input as f32).sqrt();
            let a = (0..self.rank * input)
                .map(|_| rng.random_range(-bound..bound))
                .collect();
            let matrix = |part: &str, numbers: Vec<f32>, shape: [usize; 2]| {
                let name = factor_name(module, part);
                Parameter::matrix(name, numbers, shape, &layer.weight.device())
            };
            let delta = Delta::LowRank {
                a: matrix("A", a, [self.rank, input]),
                b: matrix("B", vec![0.0; out * self.rank], [out, self.rank]),
            };
            Ok((factor, delta))
        })?;
        Ok(Prepared::plain(network))
    }
}
