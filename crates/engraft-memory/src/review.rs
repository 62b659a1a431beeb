//! What in a memory a person should look at: items that may contradict each other, that say the same, or
//! that may no longer hold. Nothing is changed here; each finding comes with the change that would settle
//! it.

mod pairs;
mod words;

use std::{collections::HashMap, fs::File, path::Path};

use crate::{Change, Id, Item, Kind, State};
pub use words::Difference;

/// Something to look at.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Two items about nearly the same that differ in what may matter.
    Contradiction {
        older: Item,
        newer: Item,
        /// At least one.
        differences: Vec<Difference>,
    },
    /// Two items with the same words.
    Duplicate { older: Item, newer: Item },
    /// An item that may no longer hold.
    Stale { item: Item, because: Staleness },
}

/// Why an item may no longer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// The file it was read from is another one now.
    FileChanged,
    /// The file it was read from is gone.
    FileGone,
    /// It has been voted down.
    VotedDown,
}

impl Finding {
    /// The change that would settle it, if a person agrees.
    pub fn suggestion(&self) -> Change {
        match self {
            Self::Contradiction { older, newer, .. } => Change::Supersede {
                old: older.id.clone(),
                new: newer.id.clone(),
            },
            Self::Duplicate { older, newer } => {
                let newer_is_better = newer.content.votes > older.content.votes;
                let (from, into) = match newer_is_better {
                    true => (older, newer),
                    false => (newer, older),
                };
                Change::Merge {
                    from: vec![from.id.clone()],
                    into: into.id.clone(),
                }
            }
            Self::Stale { item, because } => Change::Remove {
                id: item.id.clone(),
                reason: because.sentence().to_owned(),
            },
        }
    }
}

impl Staleness {
    /// In words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::FileChanged => "the file it was read from has changed",
            Self::FileGone => "the file it was read from is gone",
            Self::VotedDown => "it has been voted down",
        }
    }
}

/// Looks through the current ones of these items.
///
/// `embeddings` are those of one model, all of one length; without them, items are compared by their words
/// alone. `hash_now` gives the BLAKE3 hash (hex) of a source file as it is now, `None` if it is gone
/// ([`hash_of`] reads it).
pub fn review(
    items: &[Item],
    embeddings: &[(Id, Vec<f32>)],
    hash_now: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let current = items.iter().filter(|item| item.state == State::Current);
    let mut current: Vec<&Item> = current.collect();
    current.sort_by_key(|item| (item.content.happened.unwrap_or(item.added), item.first));
    let mut groups: Vec<((&str, &str), Vec<&Item>)> = Vec::new();
    let mut places = HashMap::new();
    for item in &current {
        let list = (item.content.scope.as_str(), item.content.role.as_str());
        let place = *places.entry(list).or_insert_with(|| {
            groups.push((list, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(item);
    }
    let embeddings: HashMap<&Id, &[f32]> = embeddings
        .iter()
        .map(|(id, numbers)| (id, numbers.as_slice()))
        .collect();
    let mut findings: Vec<Finding> = groups
        .iter()
        .flat_map(|(_, group)| pairs::findings(group, &embeddings))
        .collect();
    let mut hashes = HashMap::new();
    findings.extend(current.into_iter().filter_map(|item| {
        let because = stale(item, &mut |file| {
            let hash = hashes.entry(file.to_owned());
            hash.or_insert_with(|| hash_now(file)).clone()
        });
        Some(Finding::Stale {
            item: item.clone(),
            because: because?,
        })
    }));
    findings
}

/// An item with no votes counts as voted down only if it ever had another number of them: most notes are
/// never voted on.
fn stale(item: &Item, hash_now: &mut dyn FnMut(&str) -> Option<String>) -> Option<Staleness> {
    let source = &item.content.source;
    if let (Some(file), Some(hash)) = (&source.file, &source.hash) {
        match hash_now(file) {
            None => return Some(Staleness::FileGone),
            Some(now) if now != *hash => return Some(Staleness::FileChanged),
            Some(_) => {}
        }
    }
    let votes = item.content.votes;
    let changed = item.content.kind == Kind::Insight && item.last != item.first;
    (votes < 0 || votes == 0 && changed).then_some(Staleness::VotedDown)
}

/// The hash of a file that [`review`] compares; `None` if it cannot be read.
pub fn hash_of(path: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).ok()?).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}
