//! Shrink — weaken a whole update until it knows as little as a pruned one.
//!
//! # What it does
//! Multiplies an update by one factor, the one with which the taught answers are as probable as after
//! `ignore-topk`: the second control for it, and the one that decides.
//!
//! # When to use it, when not
//! Beside `ignore-topk` with the same fraction: both then recall equally well, and the difference in
//! spill is what ignoring the top is worth. With `factor` it is a plain scaling.
//!
//! # How
//! Bisection on `s` in `before + s · d` until the mean log-probability of the taught answers is that
//! of the update without its top `fraction`.
//!
//! # Where paper and code differ and which we follow
//! A control of ours, which the paper lacks: a weaker update always primes less.
//!
//! # Evidence
//! On facts taught to SmolLM2, beside `ignore-topk`: `docs/evidence.md`.
//!
//! # Reference
//! Control for Sun et al. ICLR 2025, arXiv 2504.09522.

use clap::Args;
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ignore_topk::{Scope, drop_largest},
    share,
};
use crate::{Pruning, Recall, Update};

/// Settings of `shrink`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Shrink {
    /// Share of the entries that `ignore-topk` would throw away.
    #[arg(long, default_value_t = Self::default().fraction)]
    pub fraction: f64,
    /// Multiply by this instead of searching; 0 searches.
    #[arg(long, default_value_t = Self::default().factor)]
    pub factor: f64,
}

impl Default for Shrink {
    fn default() -> Self {
        Self {
            fraction: 0.08,
            factor: 0.0,
        }
    }
}

/// Halvings of the interval in which the factor lies.
const HALVINGS: usize = 7;

impl Pruning for Shrink {
    const NAME: &'static str = "shrink";
    const CHECKS: &'static [Check] = &[];

    fn check(&self) -> Result<(), String> {
        share(self.fraction)?;
        match (0.0..=1.0).contains(&self.factor) {
            true => Ok(()),
            false => Err(format!(
                "factor is {}; it must lie from 0 to 1",
                self.factor
            )),
        }
    }

    fn prune(&self, update: &mut [Update], recall: &mut dyn Recall, _seed: u64) -> Value {
        let factor = match self.factor {
            0.0 => self.search(update, recall),
            factor => factor,
        };
        scale(update, factor);
        json!({ "factor": factor })
    }
}

impl Shrink {
    fn search(&self, update: &[Update], recall: &mut dyn Recall) -> f64 {
        let mut pruned = update.to_vec();
        let mut tensors: Vec<&mut [f32]> = pruned
            .iter_mut()
            .map(|update| &mut update.change[..])
            .collect();
        drop_largest(&mut tensors, self.fraction, Scope::Tensor);
        let wanted = recall.recall(&pruned);
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            let mut weaker = update.to_vec();
            scale(&mut weaker, middle);
            match recall.recall(&weaker) < wanted {
                true => low = middle,
                false => high = middle,
            }
        }
        (low + high) / 2.0
    }
}

fn scale(update: &mut [Update], factor: f64) {
    for value in update.iter_mut().flat_map(|update| &mut update.change) {
        *value *= factor as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows as much as the update is long.
    struct Length;

    impl Recall for Length {
        fn recall(&mut self, update: &[Update]) -> f64 {
            update
                .iter()
                .flat_map(|update| &update.change)
                .map(|x| f64::from(*x))
                .sum()
        }
    }

    #[test]
    fn the_factor_recalls_as_much_as_the_update_without_its_top() {
        let mut update = vec![Update {
            name: "w".to_owned(),
            change: vec![4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        }];
        let shrink = Shrink {
            fraction: 0.1,
            factor: 0.0,
        };
        shrink.prune(&mut update, &mut Length, 0);
        let length = Length.recall(&update);
        assert!((length - 9.0).abs() < 0.1, "{length}");
    }
}
