//! `engraft graph`: what a model expects where, from texts, as a file that `generate --method grad`
//! lets vote.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use engraft_decode::graph::Graph;
use engraft_runtime::CausalLm;
use engraft_train::data::read_text;
use serde_json::Value;

use crate::{
    decoding::{Decoder, ModelFlags, place, rows::rows_as},
    say::{note, say},
    watch::Watch,
};

#[derive(Args)]
pub(super) struct Graphs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Read texts with a model and keep what follows what.
    Build(Build),
    /// Add up graphs of one model into one.
    Merge(Merge),
}

#[derive(Args)]
struct Build {
    #[command(flatten)]
    model: ModelFlags,
    /// A text, JSONL of {"text"}, a folder of both (.txt, .md, .jsonl), or a pulled data set by name.
    /// Every line is a text.
    #[arg(long, value_name = "PATH")]
    corpus: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Tokens that must match before an edge votes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    key: u8,
    /// Let negative logits count against an edge instead of for nothing.
    #[arg(long)]
    negative: bool,
}

#[derive(Args)]
struct Merge {
    /// Graphs of one model with one length of keys.
    #[arg(required = true, num_args = 2..)]
    graphs: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Graphs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.verb {
            Verb::Build(build) => build.run(),
            Verb::Merge(merge) => merge.run(),
        }
    }
}

impl Build {
    fn run(self) -> anyhow::Result<()> {
        let texts = texts(&place(&self.corpus, "--corpus")?)?;
        let decoder = Decoder::load(&self.model)?;
        let mut graph = Graph::new(decoder.reader()?, usize::from(self.key), !self.negative);
        let mut watch = Watch::new("graph", "texts", texts.len());
        let context = decoder.model.shape().context;
        for text in &texts {
            for piece in decoder.tokenizer.encode(text).chunks(context) {
                graph.read_text(&decoder.model, piece)?;
            }
            watch.step();
        }
        watch.end();
        written(&graph, &self.out, texts.len())
    }
}

impl Merge {
    fn run(self) -> anyhow::Result<()> {
        let mut graphs = self.graphs.iter();
        let first = graphs.next().context("name two or more graphs")?;
        let mut graph = Graph::read(first)?;
        for path in graphs {
            let other = Graph::read(path)?;
            graph
                .merge(&other)
                .with_context(|| path.display().to_string())?;
        }
        written(&graph, &self.out, 0)
    }
}

fn written(graph: &Graph, out: &Path, texts: usize) -> anyhow::Result<()> {
    graph.write(out)?;
    let edges = graph.edges().count();
    let mute = graph.edges().filter(|(.., edge)| edge.sum == 0.0).count();
    if mute > 0 {
        note(&format!(
            "{mute} of {edges} edges have no weight and never vote: the model's logits there were negative"
        ));
    }
    let from = match texts {
        0 => String::new(),
        _ => format!(" from {texts} texts"),
    };
    say(&format!("{edges} edges{from}: {}\n", out.display()));
    Ok(())
}

/// The texts of a file or folder, a line each.
fn texts(corpus: &Path) -> anyhow::Result<Vec<String>> {
    let mut files = vec![corpus.to_owned()];
    if corpus.is_dir() {
        let entries = std::fs::read_dir(corpus)?.collect::<Result<Vec<_>, _>>()?;
        files = entries.into_iter().map(|entry| entry.path()).collect();
        files.retain(|file| {
            let name = file.to_string_lossy();
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            [".txt", ".md", ".jsonl"]
                .iter()
                .any(|end| plain.ends_with(end))
        });
        files.sort();
        anyhow::ensure!(
            !files.is_empty(),
            "{}: holds no .txt, .md or .jsonl; put texts there",
            corpus.display()
        );
    }
    let mut texts = Vec::new();
    for file in files {
        let name = file.to_string_lossy();
        if name
            .strip_suffix(".gz")
            .unwrap_or(&name)
            .ends_with(".jsonl")
        {
            texts.extend(rows_as(&file, text)?);
            continue;
        }
        let read = read_text(&file)?;
        let lines = read.lines().map(str::trim).filter(|line| !line.is_empty());
        texts.extend(lines.map(str::to_owned));
    }
    anyhow::ensure!(
        !texts.is_empty(),
        "{}: holds no texts; write one a line",
        corpus.display()
    );
    Ok(texts)
}

fn text(row: Value) -> Result<String, String> {
    let text = row.get("text").and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| "has no `text`; write {\"text\": ...}".to_owned())
}
