//! What a person does to items. Every change is an entry of the log under the person's name.

use std::process::Command;

use anyhow::Context;
use clap::Args;
use engraft_memory::{Change, Id, MemoryError};

use crate::{agents::memory::StoreFlags, say::say};

/// Who changes something, as the log names them.
pub(in crate::cli) fn person() -> String {
    let names = ["ENGRAFT_USER", "USER", "LOGNAME"];
    let mut known = names.iter().filter_map(|name| std::env::var(name).ok());
    known
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "someone".to_owned())
}

fn apply(store: &StoreFlags, change: Change) -> anyhow::Result<()> {
    let mut store = store.existing()?;
    let applied = store.apply(&person(), vec![change])?;
    for applied in applied {
        match applied.seq {
            Some(seq) => say(&format!("{}  event {seq}\n", applied.id)),
            None => say(&format!("{}  as it was\n", applied.id)),
        }
    }
    Ok(())
}

#[derive(Args)]
pub(super) struct Edit {
    /// The item's name.
    id: String,
    /// The new words; without them an editor opens (VISUAL or EDITOR).
    #[arg(long)]
    text: Option<String>,
}

impl Edit {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let id = Id(self.id);
        let text = match self.text {
            Some(text) => text,
            None => {
                let item = store.existing()?.get(&id)?;
                let item = item.ok_or_else(|| MemoryError::Unknown(id.0.clone()))?;
                in_editor(&item.content.text)?
            }
        };
        let change = Change::Edit {
            id,
            text: Some(text),
            data: None,
        };
        apply(store, change)
    }
}

/// The text as the user leaves it.
fn in_editor(text: &str) -> anyhow::Result<String> {
    let names = ["VISUAL", "EDITOR"].iter();
    let editor = names
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.trim().is_empty());
    let editor =
        editor.context("--text: give the new words, or set EDITOR to the editor to open")?;
    let file = tempfile::Builder::new().suffix(".md").tempfile()?;
    std::fs::write(file.path(), text)?;
    let mut words = editor.split_whitespace();
    let program = words.next().context("EDITOR is empty")?;
    let status = Command::new(program).args(words).arg(file.path()).status();
    let status = status.with_context(|| format!("cannot start the editor `{editor}`"))?;
    anyhow::ensure!(
        status.success(),
        "the editor `{editor}` failed; nothing was changed"
    );
    let changed = std::fs::read_to_string(file.path())?;
    // Editors end files with a line end of their own.
    Ok(match text.ends_with('\n') {
        true => changed,
        false => changed.strip_suffix('\n').unwrap_or(&changed).to_owned(),
    })
}

#[derive(Args)]
pub(super) struct Forget {
    /// The items' names.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Why, for the log.
    #[arg(long, default_value = "")]
    reason: String,
    /// Take the words out of the log and the file too, for good.
    #[arg(long)]
    purge: bool,
}

impl Forget {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let ids: Vec<Id> = self.ids.into_iter().map(Id).collect();
        let mut store = store.existing()?;
        if self.purge {
            for id in &ids {
                store.purge(id)?;
                say(&format!("{id}  purged\n"));
            }
            return Ok(());
        }
        let remove = |id: &Id| Change::Remove {
            id: id.clone(),
            reason: self.reason.clone(),
        };
        store.apply(&person(), ids.iter().map(remove).collect())?;
        ids.iter().for_each(|id| say(&format!("{id}  removed\n")));
        Ok(())
    }
}

#[derive(Args)]
pub(super) struct Vote {
    /// The item's name.
    id: String,
    /// Votes to add: 1, -1.
    #[arg(default_value_t = 1, allow_negative_numbers = true)]
    by: i64,
}

impl Vote {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let (id, by) = (Id(self.id), self.by);
        apply(store, Change::Vote { id, by })
    }
}

#[derive(Args)]
pub(super) struct Pin {
    /// The item's name.
    id: String,
    /// No longer.
    #[arg(long)]
    off: bool,
}

impl Pin {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let (id, pinned) = (Id(self.id), !self.off);
        apply(store, Change::Pin { id, pinned })
    }
}

#[derive(Args)]
pub(super) struct Supersede {
    /// The item that held until now.
    old: String,
    /// The item that holds from now on.
    new: String,
}

impl Supersede {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let (old, new) = (Id(self.old), Id(self.new));
        apply(store, Change::Supersede { old, new })
    }
}

#[derive(Args)]
pub(super) struct Merge {
    /// The items that go.
    #[arg(required = true)]
    from: Vec<String>,
    /// The item that stays.
    #[arg(long)]
    into: String,
}

impl Merge {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let from = self.from.into_iter().map(Id).collect();
        let into = Id(self.into);
        apply(store, Change::Merge { from, into })
    }
}
