//! `engraft remember`: keeps something, from words or from JSON of another program.

use anyhow::Context;
use clap::Args;
use engraft_memory::{Change, Draft, Kind, Source, Store};
use serde::Deserialize;
use serde_json::json;

use super::{lines, memory::person};
use crate::{agents::memory::StoreFlags, say::say};

/// Without TEXT, JSON is read from standard input, one object a line: {"text", "kind", "scope", "role", "data",
/// "happened", "votes", "source": {"run", "message", "file", "line"}}; all but the text may be left out. For each, one
/// line of JSON comes back: {"id", "new", "seq"}.
#[derive(Args)]
pub(super) struct Remember {
    /// What to keep.
    text: Option<String>,
    /// note, insight or episode.
    #[arg(long, default_value = "note", value_parser = super::memory::kind)]
    kind: Kind,
    /// What it is about: a repository, a user, a project.
    #[arg(long, default_value = "")]
    scope: String,
    /// Whose it is within the scope.
    #[arg(long, default_value = "")]
    role: String,
    /// The file it was read from; its hash is kept, so that `engraft memory review` sees when it has changed.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// The line in that file.
    #[arg(long, value_name = "N", requires = "file")]
    line: Option<u64>,
    /// The item that this one takes the place of.
    #[arg(long, value_name = "ID")]
    supersedes: Option<String>,
    /// Who keeps it, for the log [default: USER].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

/// A line of another program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    #[serde(default = "note")]
    kind: Kind,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    data: serde_json::Value,
    #[serde(default)]
    happened: Option<jiff::Timestamp>,
    #[serde(default)]
    votes: i64,
    #[serde(default)]
    source: Source,
}

fn note() -> Kind {
    Kind::Note
}

impl From<Line> for Draft {
    fn from(line: Line) -> Self {
        Self {
            kind: line.kind,
            scope: line.scope,
            role: line.role,
            text: line.text,
            data: line.data,
            happened: line.happened,
            votes: line.votes,
            source: line.source,
        }
    }
}

impl Remember {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let by = self.by.clone().unwrap_or_else(person);
        let mut store = self.store.open()?;
        if let Some(text) = &self.text {
            let applied = self.keep(store.as_mut(), &by, text)?;
            let new = if applied.seq.is_some() {
                ""
            } else {
                "  was there already"
            };
            say(&format!("{}{new}\n", applied.id));
            return Ok(());
        }
        let advice = "write what to remember, or give JSON lines on standard input";
        lines::answer(advice, |line: Line| {
            let applied = store.apply(&by, vec![Change::Add(line.into())])?.remove(0);
            Ok(json!({ "id": applied.id, "new": applied.seq.is_some(), "seq": applied.seq }))
        })
    }

    fn keep(
        &self,
        store: &mut dyn Store,
        by: &str,
        text: &str,
    ) -> anyhow::Result<engraft_memory::Applied> {
        let hash = match &self.file {
            None => None,
            Some(file) => {
                let bytes =
                    std::fs::read(file).with_context(|| format!("--file: cannot read {file}"))?;
                Some(blake3::hash(&bytes).to_hex().to_string())
            }
        };
        let mut draft = Draft::new(self.kind, text);
        draft.scope.clone_from(&self.scope);
        draft.role.clone_from(&self.role);
        draft.source = Source {
            file: self.file.clone(),
            line: self.line,
            hash,
            ..Source::default()
        };
        let change = match &self.supersedes {
            None => Change::Add(draft),
            Some(old) => Change::Replace {
                old: engraft_memory::Id(old.clone()),
                new: draft,
            },
        };
        Ok(store.apply(by, vec![change])?.remove(0))
    }
}
