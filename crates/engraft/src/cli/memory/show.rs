//! Items as a person reads them.

use clap::Args;
use engraft_agents::methods::experepair::Attempts;
use engraft_memory::{
    Event, Filter, Id, Item, Kind, Operation, Source, State,
    episodic::{patch_demonstrations, test_demonstrations},
};
use jiff::Timestamp;

use crate::{agents::memory::StoreFlags, say::say};

/// Which items.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct FilterFlags {
    /// episode, insight or note.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// What items are about: a repository, a user, a project.
    #[arg(long)]
    scope: Option<String>,
    /// Whose they are within the scope: tester, coder.
    #[arg(long)]
    role: Option<String>,
    /// Only what had happened before then (2024-05-01T12:00:00Z).
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
}

/// The kind of that name.
pub(in crate::cli) fn kind(text: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    known.ok_or_else(|| format!("`{text}` is none; there are episode, insight and note"))
}

impl FilterFlags {
    pub(in crate::cli) fn filter(&self, all_states: bool) -> Filter {
        Filter {
            kind: self.kind,
            scope: self.scope.clone(),
            role: self.role.clone(),
            all_states,
            before: self.before,
        }
    }
}

#[derive(Args)]
pub(super) struct Show {
    /// Items by name; without any, all are listed.
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterFlags,
    /// Removed, superseded and merged items too.
    #[arg(long)]
    all: bool,
    /// As they stood after that event of the log.
    #[arg(long, value_name = "N", conflicts_with = "ids")]
    at: Option<u64>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let store = store.existing()?;
        if self.ids.is_empty() {
            let filter = self.filter.filter(self.all);
            let items = match self.at {
                Some(seq) => store.snapshot(seq, &filter)?,
                None => store.items(&filter)?,
            };
            return list(&items, self.json);
        }
        for id in &self.ids {
            let item = store.get(&Id(id.clone()))?;
            let item = item.ok_or_else(|| engraft_memory::MemoryError::Unknown(id.clone()))?;
            match self.json {
                true => say(&format!("{}\n", serde_json::to_string(&item)?)),
                false => say(&whole(&item)),
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub(super) struct Search {
    /// Words that the items should hold.
    words: String,
    #[command(flatten)]
    filter: FilterFlags,
    /// Items that are shown at most.
    #[arg(long, default_value_t = 20)]
    most: usize,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let store = store.existing()?;
        let found = store.words(&self.words, &self.filter.filter(false), self.most)?;
        list(&found, self.json)
    }
}

#[derive(Args)]
pub(super) struct History {
    /// The item's name.
    id: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl History {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let store = store.existing()?;
        let id = Id(self.id);
        let events = store.history(&id)?;
        if events.is_empty() {
            return Err(engraft_memory::MemoryError::Unknown(id.0).into());
        }
        for event in &events {
            match self.json {
                true => say(&format!("{}\n", serde_json::to_string(event)?)),
                false => say(&happened(event)),
            }
        }
        Ok(())
    }
}

fn list(items: &[Item], json: bool) -> anyhow::Result<()> {
    for item in items {
        match json {
            true => say(&format!("{}\n", serde_json::to_string(item)?)),
            false => say(&short(item)),
        }
    }
    if items.is_empty() && !json {
        say("nothing\n");
    }
    Ok(())
}

/// Two lines: what it says, where it comes from.
pub(in crate::cli) fn short(item: &Item) -> String {
    let text: String = item
        .content
        .text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let cut: String = text.chars().take(160).collect();
    let more = if cut.len() < text.len() { " …" } else { "" };
    format!(
        "{}  {cut}{more}\n    {}\n",
        item.id,
        about(item).join(" · ")
    )
}

/// All that is known of an item.
fn whole(item: &Item) -> String {
    let mut text = format!("{}\n", item.id);
    for line in about(item) {
        text.push_str(&format!("    {line}\n"));
    }
    text.push_str(&format!("\n{}\n", item.content.text.trim_end()));
    if let Some(lessons) = lessons(item) {
        text.push_str(&lessons);
    } else if !item.content.data.is_null() {
        let data = serde_json::to_string_pretty(&item.content.data).unwrap_or_default();
        text.push_str(&format!("\ndata: {data}\n"));
    }
    text.push('\n');
    text
}

/// What was tried in an episode of a repair, and the demonstrations that later issues are shown of it.
fn lessons(item: &Item) -> Option<String> {
    if item.content.kind != Kind::Episode || item.content.data.is_null() {
        return None;
    }
    let attempts: Attempts = serde_json::from_value(item.content.data.clone()).ok()?;
    let issue = &item.content.text;
    let mut text = format!(
        "\ntried: {} scripts, {} rounds of patches\n",
        attempts.tests.len(),
        attempts.patches.len()
    );
    let mut show = |what: &str, wrong: &str, right: &str| {
        let wrong = if wrong.is_empty() {
            "(none before)"
        } else {
            wrong
        };
        text.push_str(&format!(
            "\ndemonstration of a {what}, wrong:\n{}\n\nright:\n{}\n",
            wrong.trim_end(),
            right.trim_end()
        ));
    };
    for pair in test_demonstrations(issue, &attempts.tests) {
        show("script", &pair.attempt.old_test, &pair.attempt.new_test);
    }
    for pair in patch_demonstrations(issue, &attempts.patches, false) {
        show("patch", &pair.attempt.old_patch, &pair.attempt.new_patch);
    }
    Some(text)
}

/// Votes, scope, source, dates and what became of it.
pub(in crate::cli) fn about(item: &Item) -> Vec<String> {
    let content = &item.content;
    let mut about = Vec::new();
    if content.kind != Kind::Episode || content.votes != 0 {
        let s = if content.votes.abs() == 1 { "" } else { "s" };
        about.push(format!("{} vote{s}", content.votes));
    }
    if item.pinned {
        about.push("pinned".to_owned());
    }
    for (name, value) in [("of", &content.scope), ("for", &content.role)] {
        if !value.is_empty() {
            about.push(format!("{name} {value}"));
        }
    }
    about.extend(source(&content.source));
    if let Some(happened) = content.happened {
        about.push(format!("happened {}", day(happened)));
    }
    about.push(format!("added {}", day(item.added)));
    if item.changed != item.added {
        about.push(format!("changed {}", day(item.changed)));
    }
    match &item.state {
        State::Current => {}
        State::Removed => about.push("removed".to_owned()),
        State::SupersededBy(other) => about.push(format!("superseded by {other}")),
        State::MergedInto(other) => about.push(format!("merged into {other}")),
    }
    about
}

/// Where it comes from, in words.
fn source(source: &Source) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(source.run.as_ref().map(|run| format!("run {run}")));
    parts.extend(
        source
            .message
            .as_ref()
            .map(|message| format!("message {message}")),
    );
    if let Some(file) = &source.file {
        let line = source
            .line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        parts.push(format!("{file}{line}"));
    }
    (!parts.is_empty()).then(|| format!("from {}", parts.join(", ")))
}

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// One event as a line.
fn happened(event: &Event) -> String {
    let what = match &event.operation {
        Operation::Add { item, .. } => format!("added: {}", item.text),
        Operation::Edit {
            text: Some(text), ..
        } => format!("edited: {text}"),
        Operation::Edit { .. } => "its data was changed".to_owned(),
        Operation::Remove { reason, .. } => format!("removed: {reason}"),
        Operation::Vote { by, .. } => format!("voted: {by:+}"),
        Operation::Merge { from, into } => {
            let from: Vec<String> = from.iter().map(ToString::to_string).collect();
            format!("merged: {} into {into}", from.join(", "))
        }
        Operation::Supersede { old, new } => format!("superseded: {old} by {new}"),
        Operation::Pin { pinned: true, .. } => "pinned".to_owned(),
        Operation::Pin { pinned: false, .. } => "no longer pinned".to_owned(),
    };
    format!(
        "{:>6}  {}  {}  {what}\n",
        event.seq,
        day(event.at),
        event.by
    )
}
