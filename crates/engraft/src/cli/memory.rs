//! `engraft memory`: what is remembered, to read, to change and to take away.

mod change;
mod files;
mod review;
mod show;

use clap::{Args, Subcommand};

pub(super) use change::person;
pub(super) use show::{FilterFlags, about, kind, short};

use crate::agents::memory::StoreFlags;

#[derive(Args)]
pub(super) struct Memory {
    #[command(flatten)]
    store: StoreFlags,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List items, or show some with all that is known of them.
    Show(show::Show),
    /// Find items by their words.
    Search(show::Search),
    /// All that happened to an item.
    History(show::History),
    /// Change an item's words, by --text or in an editor.
    Edit(change::Edit),
    /// Take items away. The log still knows them, unless --purge.
    Forget(change::Forget),
    /// Vote for an item, or with a negative number against it.
    Vote(change::Vote),
    /// Show an item first and never leave it out.
    Pin(change::Pin),
    /// One item holds from now on in place of another.
    Supersede(change::Supersede),
    /// Several items say what one says.
    Merge(change::Merge),
    /// Find items that contradict each other, repeat each other or are out of date. Nothing is changed.
    Review(review::Review),
    /// Write all items as files that people can read and git can compare.
    Export(files::Export),
    /// Read such files, changed by people or not.
    Import(files::Import),
    /// See whether the file is sound.
    Check,
}

impl Memory {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let store = &self.store;
        match self.what {
            What::Show(show) => show.run(store),
            What::Search(search) => search.run(store),
            What::History(history) => history.run(store),
            What::Edit(edit) => edit.run(store),
            What::Forget(forget) => forget.run(store),
            What::Vote(vote) => vote.run(store),
            What::Pin(pin) => pin.run(store),
            What::Supersede(supersede) => supersede.run(store),
            What::Merge(merge) => merge.run(store),
            What::Review(review) => review.run(store),
            What::Export(export) => export.run(store),
            What::Import(import) => import.run(store),
            What::Check => review::check(store),
        }
    }
}
