//! Random drop — throw away as many entries of an update, whichever they are.
//!
//! # What it does
//! Sets randomly chosen entries of an update back to what they were: the first control for
//! `ignore-topk`.
//!
//! # When to use it, when not
//! Beside `ignore-topk` with the same fraction. If it spills as little, the size of the entries was
//! not what mattered. It is no method of its own: DARE, which also rescales, is.
//!
//! # How
//! In each tensor of N entries, `floor(fraction · N)` distinct ones become 0, drawn by seed and name.
//!
//! # Where paper and code differ and which we follow
//! A control of ours; the paper compares with keeping the top instead.
//!
//! # Evidence
//! On facts taught to SmolLM2, beside `ignore-topk`: `docs/evidence.md`.
//!
//! # Reference
//! Control for Sun et al. ICLR 2025, arXiv 2504.09522.

use clap::Args;
use engraft_method::parity::Check;
use engraft_train::key::Permutation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::share;
use crate::{Pruning, Recall, Update};

/// Settings of `random-drop`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct RandomDrop {
    /// Share of the entries that is thrown away.
    #[arg(long, default_value_t = Self::default().fraction)]
    pub fraction: f64,
}

impl Default for RandomDrop {
    fn default() -> Self {
        Self { fraction: 0.08 }
    }
}

impl Pruning for RandomDrop {
    const NAME: &'static str = "random-drop";
    const CHECKS: &'static [Check] = &[];

    fn check(&self) -> Result<(), String> {
        share(self.fraction)
    }

    fn prune(&self, update: &mut [Update], _recall: &mut dyn Recall, seed: u64) -> Value {
        let mut dropped = 0;
        for Update { name, change } in update {
            let count = (self.fraction * change.len() as f64).floor() as usize;
            let purpose = format!("random-drop {name}");
            let order = Permutation::new(seed, &purpose, 0, change.len() as u64);
            for place in 0..count as u64 {
                change[order.at(place) as usize] = 0.0;
            }
            dropped += count;
        }
        json!({ "dropped": dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unasked;

    impl Recall for Unasked {
        fn recall(&mut self, _: &[Update]) -> f64 {
            unreachable!("a random choice asks nobody")
        }
    }

    #[test]
    fn exactly_the_share_goes_and_another_seed_chooses_otherwise() {
        let whole = || {
            vec![Update {
                name: "w".to_owned(),
                change: vec![1.0; 1000],
            }]
        };
        let pruned = |seed| {
            let mut update = whole();
            RandomDrop { fraction: 0.08 }.prune(&mut update, &mut Unasked, seed);
            update
        };
        let zeros = pruned(1)[0].change.iter().filter(|x| **x == 0.0).count();
        assert_eq!(zeros, 80);
        assert_eq!(pruned(1), pruned(1));
        assert_ne!(pruned(1), pruned(2));
    }
}
