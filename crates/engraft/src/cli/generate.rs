//! `engraft generate`: an answer, streamed, with the reasons of the method that decoded it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgMatches, Args};
use engraft_decode::{Chosen, DecodeEntry, Ended, Pasts, Source};
use engraft_files::atomic::write_file;

use crate::{
    decoding::{Answered, Asked, Bounds, Decoder, ModelFlags, explain, known, page},
    say::{note, say},
};

#[derive(Args)]
pub(super) struct Generate {
    #[command(flatten)]
    model: ModelFlags,
    /// The question, or the text to go on with.
    prompt: String,
    /// A text that the answer should be based on.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// How it is decoded; see `engraft methods`.
    #[arg(long, default_value = "greedy")]
    method: String,
    /// A weaker model of the same tokenizer, for methods that compare with one.
    #[arg(long, value_name = "MODEL")]
    amateur: Option<PathBuf>,
    /// Most tokens of the answer.
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// Stop before this text. Repeatable.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Leave the model's chat template out: the prompt is gone on with as it is.
    #[arg(long)]
    raw: bool,
    /// One line a token: which source won, what the method measured, the alternatives.
    #[arg(long)]
    explain: bool,
    /// The same as JSON lines.
    #[arg(long, conflicts_with = "explain")]
    json: bool,
    /// The same as a page, each token in the colour of its source.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Of methods that draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The method that the typed words choose, to show its flags.
pub(super) fn method_among(words: &[&str]) -> anyhow::Result<DecodeEntry> {
    let chosen = super::verbs::method_among(words);
    // A head file says by itself what it is for.
    let prunes = words.iter().any(|word| word.starts_with("--prune"));
    known(chosen.unwrap_or(if prunes { "ph3" } else { "greedy" }))
}

/// Alternatives that an explanation shows.
const ALTERNATIVES: usize = 3;

impl Generate {
    pub(super) fn run(self, flags: &ArgMatches, typed: &[&str]) -> anyhow::Result<()> {
        let entry = method_among(typed)?;
        let said = |problem: String| anyhow::anyhow!("{}: {problem}", entry.method.name);
        let settings = entry.from_flags(flags).map_err(anyhow::Error::msg)?;
        let settings = entry.normalise(&settings).map_err(said)?;
        let context = self.context.as_deref().map(text).transpose()?;
        let decoder =
            Decoder::load(&self.model)?.with_amateur(self.amateur.as_deref(), &self.model)?;
        let mut way = decoder.way(&entry, &settings)?;
        let tokenizer = &decoder.tokenizer;
        let asked = Asked::question(tokenizer, &self.prompt, context.as_deref(), self.raw)?;
        let wanted = self.explain || self.json || self.html.is_some();
        let bounds = Bounds {
            tokens: self.max_tokens,
            alternatives: if wanted { ALTERNATIVES } else { 0 },
            seed: self.seed,
        };
        let mut answered = Answered::new(tokenizer, &self.stop);
        let mut told: Vec<page::Token> = Vec::new();
        let line = |token: &page::Token| {
            let line = explain::line(
                &token.chosen,
                &token.text,
                token.behind.as_deref(),
                tokenizer,
            );
            say(&format!("{line}\n"));
        };
        let mut tell = |chosen: Chosen| {
            let (text, go) = answered.push(chosen.token);
            let behind = match wanted && chosen.told.source == Some(Source::Context) {
                true => asked.behind(answered.tokens(), tokenizer),
                false => None,
            };
            match (self.json, self.explain) {
                // A line waits for the next one: the last is told with what the answer held back.
                (true, _) => told.last().into_iter().for_each(line),
                (_, true) => {
                    let line = explain::words(&chosen, behind.as_deref(), tokenizer);
                    say(&format!("{line}\n"));
                }
                _ => say(&text),
            }
            told.push(page::Token {
                chosen,
                text,
                behind,
            });
            go
        };
        let ended = decoder.answer(&asked, &mut way, &mut Pasts::default(), &bounds, &mut tell);
        let rest = answered.rest();
        if let Some(last) = told.last_mut() {
            last.text.push_str(&rest);
            if self.json {
                line(last);
            }
        }
        let ended = ended?;
        if !self.json && !self.explain {
            say(&format!("{rest}\n"));
        }
        if ended == Ended::Full {
            note("the answer ends here because the model's context is full");
        }
        if let Some(path) = &self.html {
            let heading = page::Heading {
                question: self.prompt,
                context,
                model: self.model.model.display().to_string(),
                method: entry.method.name.to_owned(),
                settings,
            };
            let page = page::page(&heading, &told, tokenizer)?;
            write_file(path, page.as_bytes())?;
        }
        Ok(())
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("--context: cannot read {}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let path = path.display();
        anyhow::anyhow!("--context: {path} is not UTF-8 at byte {at}; convert it to UTF-8")
    })
}
