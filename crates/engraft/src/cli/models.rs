//! `engraft models`: what was pulled, and what could be.

use clap::Args;
use indicatif::DecimalBytes;

use crate::{
    say::say,
    store::{
        Kept, Store,
        catalogue::{self, Contents, Entry},
    },
};

#[derive(Args)]
pub(super) struct Models {}

impl Models {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let store = Store::of_user()?;
        let kept = store.kept()?;
        let mut out = String::new();
        if !kept.is_empty() {
            out.push_str("Here:\n");
            out.extend(kept.iter().map(here));
        }
        let known = |entry: &&Entry| !kept.iter().any(|kept| kept.record.name == entry.name);
        let others: Vec<&Entry> = catalogue::ENTRIES.iter().filter(known).collect();
        if !others.is_empty() {
            let gap = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{gap}To be had with `engraft pull NAME`:\n"));
            out.extend(others.into_iter().map(to_be_had));
        }
        say(&out);
        Ok(())
    }
}

fn here(kept: &Kept) -> String {
    let record = &kept.record;
    let bytes = record.files.iter().map(|file| file.bytes).sum();
    let path = match &record.files[..] {
        [file] => kept.folder.join(&file.path),
        _ => kept.folder.clone(),
    };
    let mut lines = vec![record.about.clone(), format!("from {}", record.from)];
    lines.push(path.display().to_string());
    lines.extend(catalogue::entry(&record.name).and_then(parts));
    if let Some(file) = kept.damaged() {
        lines.push(format!(
            "damaged: {} is gone or of another size; run `engraft pull {}` again",
            file.path, record.name
        ));
    }
    block(&record.name, Some(bytes), &record.licence, &lines)
}

fn to_be_had(entry: &Entry) -> String {
    let (bytes, from) = match entry.contents {
        Contents::Published { files, sources } => {
            let from: Vec<String> = sources.iter().map(ToString::to_string).collect();
            let bytes = files.iter().map(|item| item.bytes).sum();
            (Some(bytes), format!("from {}", from.join(", or ")))
        }
        Contents::Own { .. } => (
            None,
            format!("from a file that you have: `{}`", entry.command()),
        ),
    };
    let mut lines = vec![entry.about.to_owned(), from];
    lines.extend(parts(entry));
    block(entry.name, bytes, entry.licence, &lines)
}

/// What recipes call the files of a data set that has several.
fn parts(entry: &Entry) -> Option<String> {
    let names: Vec<String> = entry.parts().into_iter().map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| format!("as {}", names.join(" and ")))
}

/// Name, size and licence, and beside them what more there is to say.
fn block(name: &str, bytes: Option<u64>, licence: &str, lines: &[String]) -> String {
    let size = bytes.map_or_else(String::new, |bytes| DecimalBytes(bytes).to_string());
    let mut left = format!("{name:<14}{size:>9}  {licence:<13}");
    let mut out = String::new();
    for line in lines {
        out.push_str(&format!("  {left}{line}\n"));
        left = " ".repeat(left.chars().count());
    }
    out
}
