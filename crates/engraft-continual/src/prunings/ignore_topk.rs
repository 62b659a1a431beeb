//! Ignore-topk — throw away the largest part of an update, so that it spills less.
//!
//! # What it does
//! Sets the entries of an update that changed most back to what they were. What was learned mostly
//! stays, and the new words show up less where they do not belong.
//!
//! # When to use it, when not
//! After teaching something surprising with an optimiser of even step sizes (AdamW), when the spill
//! is too large. On rare words it can cost the recall itself: compare with `random-drop` and, above
//! all, with `shrink`, since any weaker update spills less. Not after plain SGD, where the largest
//! entries carry nearly all that was learned.
//!
//! # How
//! `d = after - before`; of N entries the `floor(fraction · N)` with the largest `|d|` become 0 (of
//! equals the earlier), ranked inside each tensor or over the whole model; `theta = before + d`.
//!
//! # Where paper and code differ and which we follow
//! No code was published. Whether the ranking runs over the model or over each tensor, and whether it
//! is done once or at every step, could not be read; ours: once, at the end, per tensor.
//!
//! # Evidence
//! Parity with the formulas in double precision: `parity/outlandish`, kind `ignore_topk`. On facts
//! taught to SmolLM2, 5 seeds, a plain `shrink` to the same recall spilled no more and primed less:
//! `docs/evidence.md`.
//!
//! # Reference
//! Sun et al. How new data permeates LLM knowledge and how to dilute it. ICLR 2025,
//! arXiv 2504.09522.

use clap::{Args, ValueEnum};
use engraft_method::parity::{Case, Check, ParityError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::share;
use crate::{Pruning, Recall, Update};

/// Over what the entries are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Inside each tensor.
    #[default]
    Tensor,
    /// Over the whole model.
    Model,
}

/// Settings of `ignore-topk`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct IgnoreTopk {
    /// Share of the entries that is thrown away.
    #[arg(long, default_value_t = Self::default().fraction)]
    pub fraction: f64,
    /// Whether entries are ranked inside each tensor or over the whole model.
    #[arg(long, value_enum, default_value = "tensor")]
    pub scope: Scope,
}

impl Default for IgnoreTopk {
    fn default() -> Self {
        Self {
            fraction: 0.08,
            scope: Scope::Tensor,
        }
    }
}

impl Pruning for IgnoreTopk {
    const NAME: &'static str = "ignore-topk";
    const CHECKS: &'static [Check] = &[Check {
        slug: "outlandish",
        kind: "ignore_topk",
        run: parity,
    }];

    fn check(&self) -> Result<(), String> {
        share(self.fraction)
    }

    fn prune(&self, update: &mut [Update], _recall: &mut dyn Recall, _seed: u64) -> Value {
        let mut tensors: Vec<&mut [f32]> = update
            .iter_mut()
            .map(|update| &mut update.change[..])
            .collect();
        json!({ "dropped": drop_largest(&mut tensors, self.fraction, self.scope) })
    }
}

/// A number with a size.
pub(crate) trait Entry: Copy + PartialOrd + Default {
    fn size(self) -> Self;
}

impl Entry for f32 {
    fn size(self) -> Self {
        self.abs()
    }
}

impl Entry for f64 {
    fn size(self) -> Self {
        self.abs()
    }
}

/// Sets the largest entries to 0; returns how many.
pub(crate) fn drop_largest<T: Entry>(
    tensors: &mut [&mut [T]],
    fraction: f64,
    scope: Scope,
) -> usize {
    match scope {
        Scope::Tensor => {
            let each = tensors.iter_mut();
            each.map(|tensor| drop_from(&mut [&mut **tensor], fraction))
                .sum()
        }
        Scope::Model => drop_from(tensors, fraction),
    }
}

fn drop_from<T: Entry>(tensors: &mut [&mut [T]], fraction: f64) -> usize {
    let mut sizes: Vec<T> = tensors
        .iter()
        .flat_map(|tensor| tensor.iter().map(|x| x.size()))
        .collect();
    let drop = (fraction * sizes.len() as f64).floor() as usize;
    if drop == 0 {
        return 0;
    }
    let order = |a: &T, b: &T| b.partial_cmp(a).expect("an update is finite");
    let (larger, limit, _) = sizes.select_nth_unstable_by(drop - 1, order);
    let limit = *limit;
    // Of those equal to the limit only the first so many go.
    let mut equals = drop - larger.iter().filter(|size| **size > limit).count();
    for entry in tensors.iter_mut().flat_map(|tensor| tensor.iter_mut()) {
        let size = entry.size();
        let at_limit = size == limit && equals > 0;
        if at_limit {
            equals -= 1;
        }
        if size > limit || at_limit {
            *entry = T::default();
        }
    }
    drop
}

fn parity(case: &mut Case) -> Result<(), ParityError> {
    let fraction = case.number("fraction")?;
    let mut before = Vec::new();
    let mut changes = Vec::new();
    while let (Ok(theta), Ok(delta)) = (
        case.input(&format!("theta0_{}", before.len())),
        case.input(&format!("delta_{}", before.len())),
    ) {
        let (theta, delta) = (theta.values.clone(), delta.values.clone());
        before.push(theta);
        changes.push(delta);
    }
    let pruned = |scope: Scope| {
        let mut changes: Vec<Vec<f64>> = changes.clone();
        let mut slices: Vec<&mut [f64]> =
            changes.iter_mut().map(|change| &mut change[..]).collect();
        let dropped = drop_largest(&mut slices, fraction, scope);
        (changes, dropped)
    };
    let (everywhere, dropped) = pruned(Scope::Model);
    let (inside, _) = pruned(Scope::Tensor);
    for at in 0..before.len() {
        let sum = |change: &[f64]| -> Vec<f64> {
            before[at].iter().zip(change).map(|(a, b)| a + b).collect()
        };
        // The control keeps exactly what the rule drops.
        let top: Vec<f64> = changes[at]
            .iter()
            .zip(&everywhere[at])
            .map(|(whole, kept)| whole - kept)
            .collect();
        let all = [
            ("global", sum(&everywhere[at])),
            ("per_tensor", sum(&inside[at])),
            ("keep_top", sum(&top)),
        ];
        for (name, values) in all {
            case.output(format!("{name}_{at}"), values);
        }
    }
    case.output("n_dropped", [dropped as f64]);
    Ok(())
}
