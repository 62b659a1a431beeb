//! A memory as files, and back.

use std::path::{Path, PathBuf};

use clap::Args;
use engraft_memory::{
    Id,
    export::{Importer, read_jsonl, read_markdown, write_jsonl, write_markdown},
};

use super::{change::person, show::FilterFlags};
use crate::{agents::memory::StoreFlags, say::say};

/// Files that end so hold one JSON object a line; everything else is a folder of Markdown lists.
fn is_jsonl(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "jsonl")
}

#[derive(Args)]
pub(super) struct Export {
    /// A folder for Markdown lists, one for each kind, scope and role; or a file NAME.jsonl.
    to: PathBuf,
    #[command(flatten)]
    filter: FilterFlags,
}

impl Export {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let store = store.existing()?;
        let filter = self.filter.filter(false);
        match is_jsonl(&self.to) {
            true => write_jsonl(store.as_ref(), &filter, &self.to)?,
            false => write_markdown(store.as_ref(), &filter, &self.to)?,
        }
        say(&format!("written  {}\n", self.to.display()));
        Ok(())
    }
}

#[derive(Args)]
pub(super) struct Import {
    /// The folder or file NAME.jsonl that was exported, edited or not.
    from: PathBuf,
    /// Items that are no longer in the files are removed from the memory.
    #[arg(long)]
    remove_missing: bool,
    #[command(flatten)]
    filter: FilterFlags,
}

impl Import {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let entries = match is_jsonl(&self.from) {
            true => read_jsonl(&self.from)?,
            false => read_markdown(&self.from)?,
        };
        let filter = self.filter.filter(false);
        let person = person();
        let importer = Importer {
            by: &person,
            remove_missing: self.remove_missing.then_some(&filter),
        };
        let done = importer.import(store.open()?.as_mut(), &entries)?;
        let lists: [(&str, &[Id]); 5] = [
            ("added", &done.added),
            ("edited", &done.edited),
            ("votes changed", &done.voted),
            ("pinned or unpinned", &done.pinned),
            ("removed", &done.removed),
        ];
        let mut told = false;
        for (what, ids) in lists {
            for id in ids {
                told = true;
                say(&format!("{id}  {what}\n"));
            }
        }
        if !told {
            say("nothing changed\n");
        }
        for id in &done.gone {
            say(&format!(
                "{id}  is no longer current in the memory and stays so\n"
            ));
        }
        Ok(())
    }
}
