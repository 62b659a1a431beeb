//! Full fine-tuning — every weight learns.
//!
//! # What it does
//! Trains the whole model, or its last blocks, on the new texts with cross-entropy: the baseline that
//! learns most easily and keeps least.
//!
//! # When to use it, when not
//! Where there is much new text and old data to replay beside it (`replay`). For a few facts it
//! overwrites what it should keep, and it needs optimiser state for every weight.
//!
//! # How
//! Mean cross-entropy over the labelled tokens; with `last_blocks: n` only the parameters of the last
//! n blocks are trained, and embeddings, head and final norm stay.
//!
//! # Where paper and code differ and which we follow
//! There is no paper; the optimiser is the run's.
//!
//! # Evidence
//! Facts taught to SmolLM2 beside `lora`, `kore` and `mix-cpt`: `docs/evidence.md`.
//!
//! # Reference
//! Common practice; as a baseline in arXiv 2510.19316 and 2407.10804.

use clap::Args;
use engraft_method::{Need, parity::Check};
use engraft_nets::{Network, Role};
use serde::{Deserialize, Serialize};

use crate::{
    Lesson, Prepared, TeachMethod,
    targets::{check_blocks, in_last},
};

/// Settings of `full`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Full {
    /// Train only so many of the last blocks; 0 trains everything.
    #[arg(long, default_value_t = Self::default().last_blocks)]
    pub last_blocks: usize,
}

impl TeachMethod for Full {
    const NAME: &'static str = "full";
    const RATE: f64 = 5e-5;
    const NEEDS: &'static [Need] = &[];
    const CHECKS: &'static [Check] = &[];

    fn fits(&self, network: &dyn Network) -> Result<(), String> {
        check_blocks(self.last_blocks, network)
    }

    fn prepare(
        &self,
        mut network: Box<dyn Network>,
        _lesson: &Lesson<'_>,
    ) -> Result<Prepared, String> {
        unfreeze(&mut *network, self.last_blocks);
        Ok(Prepared::plain(network))
    }
}

/// Leaves only the parameters of the last blocks trainable; 0 leaves the network as it is.
pub(crate) fn unfreeze(network: &mut dyn Network, last_blocks: usize) {
    let blocks = network.capabilities().blocks;
    for parameter in network.parameters_mut() {
        if last_blocks > 0 {
            parameter.trainable =
                parameter.role != Role::Statistic && in_last(&parameter.name, last_blocks, blocks);
        }
    }
}
