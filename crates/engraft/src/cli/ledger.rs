//! `engraft ledger`: the table, the difference of two entries, where a model comes from.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engraft_probe::{
    Ledger as File,
    ledger::{diff, lineage, show},
};

use crate::say::say;

#[derive(Args)]
pub(super) struct Ledger {
    /// The ledger file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "runs/quickstart/ledger.jsonl"
    )]
    ledger: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// All entries as a table, or one as JSON.
    Show {
        /// Step name, or the start of an id.
        entry: Option<String>,
    },
    /// What differs between two entries: settings, inputs, measurements.
    Diff {
        /// Step name or id.
        before: String,
        /// Step name or id.
        after: String,
    },
    /// The steps that led to a model.
    Lineage {
        /// Step name or id.
        entry: String,
    },
}

impl Ledger {
    pub(super) fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.ledger.exists(),
            "there is no ledger {}; run a recipe first, or name one with --ledger",
            self.ledger.display()
        );
        let file = File::open(&self.ledger)?;
        match self.what {
            What::Show { entry: None } => say(&show(&file.entries)),
            What::Show { entry: Some(entry) } => {
                let entry = serde_json::to_string_pretty(file.find(&entry)?)?;
                say(&format!("{entry}\n"));
            }
            What::Diff { before, after } => {
                say(&diff(file.find(&before)?, file.find(&after)?));
            }
            What::Lineage { entry } => say(&lineage(&file.entries, file.find(&entry)?)),
        }
        Ok(())
    }
}
