//! `engraft recall`: finds what was kept, for people and for other programs.

use clap::{Args, ValueEnum};
use engraft_memory::{
    Ask, Filter, Fusion, Kind, Recall as Index, Recalled,
    recall::ask_then,
    retrieval::{fusion::Rrf, mem0},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    lines,
    memory::{FilterFlags, about, short},
};
use crate::{
    agents::memory::{Encoder, StoreFlags},
    say::{note, say},
};

/// How what is found by words and by meaning becomes one list.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// BM25 alone.
    Words,
    /// Embeddings alone.
    Meaning,
    /// The sum of both scores, each from 0 to 1.
    Sum,
    /// Reciprocal ranks.
    Rrf,
    /// As mem0 ranks, without entities: what is near in meaning, by meaning and words. Scores of two questions do not
    /// compare.
    Mem0,
}

/// Without TEXT, JSON is read from standard input, one object a line: {"query", "scope", "role", "kind", "before", "most",
/// "tokens"}; all but the query may be left out. For each, one line of JSON comes back: {"found": [...], "omitted": [...]}.
#[derive(Args)]
pub(super) struct Recall {
    /// What to look for.
    text: Option<String>,
    #[command(flatten)]
    filter: FilterFlags,
    /// Items at most.
    #[arg(long, default_value_t = 10)]
    most: usize,
    /// Tokens of all items together at most.
    #[arg(long)]
    tokens: Option<usize>,
    /// How items are found. All but `words` need the encoder: `engraft pull minilm-l6`.
    #[arg(long, value_enum, default_value = "sum")]
    by: By,
    /// Below 1, what resembles an item before it comes later.
    #[arg(long, default_value_t = 1.0)]
    lambda: f64,
    /// Ask the memory as it stood after that event of the log, by words (see `engraft memory history`).
    #[arg(long, value_name = "N", requires = "text")]
    at: Option<u64>,
    /// One line of JSON instead of words.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreFlags,
}

/// A line of another program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    query: String,
    scope: Option<String>,
    role: Option<String>,
    kind: Option<Kind>,
    before: Option<jiff::Timestamp>,
    most: Option<usize>,
    tokens: Option<usize>,
}

impl Recall {
    pub(super) fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (0.0..=1.0).contains(&self.lambda),
            "--lambda is {}; it takes 0 to 1",
            self.lambda
        );
        let mut store = self.store.existing()?;
        if let (Some(seq), Some(text)) = (self.at, &self.text) {
            let ask = self.ask(text, self.filter.filter(false));
            let recalled = ask_then(store.as_ref(), seq, &ask)?;
            return self.answer(&recalled);
        }
        let encoder = match self.by {
            By::Words => None,
            _ => Encoder::of_user()?,
        };
        if encoder.is_none() && !matches!(self.by, By::Words) {
            note("found by words alone; `engraft pull minilm-l6` adds meaning");
        }
        let embedder =
            encoder.map(|encoder| Box::new(encoder) as Box<dyn engraft_memory::Embedder>);
        let mut index = Index::open(store.as_mut(), embedder)?;
        if let Some(text) = &self.text {
            let recalled = index.ask(store.as_mut(), &self.ask(text, self.filter.filter(false)))?;
            return self.answer(&recalled);
        }
        let advice = "write what to look for, or give JSON lines on standard input";
        lines::answer(advice, |line: Line| {
            let own = self.filter.filter(false);
            let filter = Filter {
                kind: line.kind.or(own.kind),
                scope: line.scope.or(own.scope),
                role: line.role.or(own.role),
                before: line.before.or(own.before),
                all_states: false,
            };
            let mut ask = self.ask(&line.query, filter);
            ask.most = line.most.unwrap_or(ask.most);
            ask.tokens = line.tokens.or(ask.tokens);
            as_json(&index.ask(store.as_mut(), &ask)?)
        })
    }

    fn answer(&self, recalled: &Recalled) -> anyhow::Result<()> {
        match self.json {
            true => say(&format!("{}\n", as_json(recalled)?)),
            false => tell(recalled),
        }
        Ok(())
    }

    fn ask<'a>(&self, text: &'a str, filter: Filter) -> Ask<'a> {
        Ask {
            filter,
            most: self.most,
            tokens: self.tokens,
            lambda: self.lambda,
            fusion: match self.by {
                By::Words => Fusion::Words,
                By::Meaning => Fusion::Meaning,
                By::Sum => Fusion::default(),
                By::Rrf => Fusion::Rrf(Rrf::default()),
                By::Mem0 => Fusion::Mem0 {
                    threshold: mem0::THRESHOLD,
                },
            },
            ..Ask::new(text)
        }
    }
}

fn tell(recalled: &Recalled) {
    for found in &recalled.found {
        say(&short(&found.item));
    }
    if recalled.found.is_empty() {
        say("nothing\n");
    }
    for omitted in &recalled.omitted {
        say(&format!("left out: {omitted}\n"));
    }
}

fn as_json(recalled: &Recalled) -> anyhow::Result<Value> {
    let mut found = Vec::new();
    for one in &recalled.found {
        let mut item = serde_json::to_value(&one.item)?;
        // A pinned item has no score of its own.
        item["score"] = json!(one.score.is_finite().then_some(one.score));
        item["about"] = json!(about(&one.item).join(" · "));
        found.push(item);
    }
    let omitted: Vec<Value> = recalled
        .omitted
        .iter()
        .map(|omitted| json!({ "id": omitted.id, "why": omitted.why.to_string() }))
        .collect();
    Ok(json!({ "found": found, "omitted": omitted }))
}
