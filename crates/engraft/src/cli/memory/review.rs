//! What a person should look at, side by side.

use std::path::Path;

use clap::Args;
use engraft_memory::{
    Change, Filter, Item, State,
    review::{Difference, Finding, hash_of, review},
};

use super::show::{FilterFlags, about};
use crate::{
    agents::memory::{Encoder, StoreFlags},
    say::say,
};

#[derive(Args)]
pub(super) struct Review {
    #[command(flatten)]
    filter: FilterFlags,
}

impl Review {
    pub(super) fn run(self, store: &StoreFlags) -> anyhow::Result<()> {
        let store = store.existing()?;
        let items = store.items(&self.filter.filter(false))?;
        // What recall has embedded is compared by meaning too.
        let embeddings = store.vectors(Encoder::NAME)?.known;
        let findings = review(&items, &embeddings, &|file| hash_of(Path::new(file)));
        for finding in &findings {
            say(&told(finding));
        }
        if findings.is_empty() {
            say("nothing to look at\n");
        }
        Ok(())
    }
}

fn told(finding: &Finding) -> String {
    let (heading, items) = match finding {
        Finding::Contradiction {
            older,
            newer,
            differences,
        } => {
            let differences: Vec<String> = differences.iter().map(difference).collect();
            let heading = format!(
                "These may contradict each other ({}):",
                differences.join("; ")
            );
            (heading, vec![("older", older), ("newer", newer)])
        }
        Finding::Duplicate { older, newer } => {
            let heading = "These say the same:".to_owned();
            (heading, vec![("older", older), ("newer", newer)])
        }
        Finding::Stale { item, because } => {
            let heading = format!("This may no longer hold, as {}:", because.sentence());
            (heading, vec![("item", item)])
        }
    };
    let mut text = format!("{heading}\n");
    for (which, item) in items {
        text.push_str(&side(which, item));
    }
    text.push_str(&format!(
        "  to settle it: {}\n\n",
        command(&finding.suggestion())
    ));
    text
}

fn side(which: &str, item: &Item) -> String {
    let lines: Vec<&str> = item.content.text.trim_end().lines().collect();
    format!(
        "  {which}  {}\n         {}\n         {}\n",
        item.id,
        lines.join("\n         "),
        about(item).join(" · ")
    )
}

fn difference(difference: &Difference) -> String {
    let list = |words: &[String]| match words {
        [] => "nothing".to_owned(),
        words => words.join(", "),
    };
    match difference {
        Difference::Numbers(older, newer) => format!("numbers {} and {}", list(older), list(newer)),
        Difference::Negation => "only one denies".to_owned(),
        Difference::Words(older, newer) => format!("words {} and {}", list(older), list(newer)),
    }
}

/// The command that makes a change.
fn command(change: &Change) -> String {
    match change {
        Change::Supersede { old, new } => format!("engraft memory supersede {old} {new}"),
        Change::Merge { from, into } => {
            let from: Vec<String> = from.iter().map(ToString::to_string).collect();
            format!("engraft memory merge {} --into {into}", from.join(" "))
        }
        Change::Remove { id, reason } => format!("engraft memory forget {id} --reason '{reason}'"),
        other => format!("{other:?}"),
    }
}

/// Whether the items are what the log adds up to.
pub(super) fn check(place: &StoreFlags) -> anyhow::Result<()> {
    let store = place.existing()?;
    let problems = store.check()?;
    for problem in &problems {
        say(&format!("{problem}\n"));
    }
    anyhow::ensure!(
        problems.is_empty(),
        "{}: {} problems; keep a copy, and export what can be read",
        place.place()?,
        problems.len()
    );
    let all = Filter {
        all_states: true,
        ..Filter::default()
    };
    let items = store.items(&all)?;
    let current = items
        .iter()
        .filter(|item| item.state == State::Current)
        .count();
    say(&format!(
        "sound: {} items, {current} of them current\n",
        items.len()
    ));
    Ok(())
}
