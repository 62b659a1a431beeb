//! What a finished step leaves on disk besides its model.

use std::path::Path;

use anyhow::Context;
use engraft_nets::files::write_file;
use engraft_probe::Entry;
use engraft_train::Curve;
use serde::{Deserialize, Serialize};

/// A finished step: its ledger entry and its curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepResult {
    /// Hash of everything that decides the result; another one means it must be run again.
    pub key: String,
    pub entry: Entry,
    pub curve: Curve,
    /// It was there already when this run came to it.
    #[serde(skip)]
    pub skipped: bool,
}

impl StepResult {
    /// The result of a step in its folder, if it is finished with this very key.
    pub fn read(folder: &Path, key: &str) -> Option<Self> {
        let text = std::fs::read(folder.join("result.json")).ok()?;
        let found: Self = serde_json::from_slice(&text).ok()?;
        (found.key == key).then_some(Self {
            skipped: true,
            ..found
        })
    }

    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("the result is not JSON")?;
        Ok(write_file(&folder.join("result.json"), &text)?)
    }
}
