//! `engraft chat`: a conversation in the terminal.

use std::{
    io::{BufRead, IsTerminal, Write},
    path::PathBuf,
    sync::atomic::Ordering,
};

use anyhow::Context;
use clap::{ArgMatches, Args};
use engraft_agents::chat::says;
use engraft_decode::{AnswerError, DecodeEntry, Ended, Go, Pasts};
use engraft_files::Message;
use rustyline::{DefaultEditor, error::ReadlineError};

use crate::{
    decoding::{Answered, Asked, Bounds, Decoder, ModelFlags, known},
    say::{note, say},
};

#[derive(Args)]
pub(super) struct Chat {
    #[command(flatten)]
    model: ModelFlags,
    /// What the model is told before the conversation.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// How answers are decoded; see `engraft methods`.
    #[arg(long, default_value = "sample")]
    method: String,
    /// A weaker model of the same tokenizer, for methods that compare with one.
    #[arg(long, value_name = "MODEL")]
    amateur: Option<PathBuf>,
    /// Most tokens of an answer.
    #[arg(long, default_value_t = 512)]
    max_tokens: usize,
    /// Of methods that draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The method that the typed words choose, to show its flags.
pub(super) fn method_among(words: &[&str]) -> anyhow::Result<DecodeEntry> {
    known(super::verbs::method_among(words).unwrap_or("sample"))
}

/// What was typed.
enum Typed {
    Line(String),
    /// Ctrl-C at the prompt.
    Nothing,
    End,
}

/// Where lines come from.
enum Lines {
    Terminal(Box<DefaultEditor>),
    Pipe,
}

impl Chat {
    pub(super) fn run(self, flags: &ArgMatches) -> anyhow::Result<()> {
        let entry = known(&self.method)?;
        let said = |problem: String| anyhow::anyhow!("{}: {problem}", entry.method.name);
        let settings = entry.from_flags(flags).map_err(anyhow::Error::msg)?;
        let settings = entry.normalise(&settings).map_err(said)?;
        let decoder =
            Decoder::load(&self.model)?.with_amateur(self.amateur.as_deref(), &self.model)?;
        anyhow::ensure!(
            decoder.tokenizer.chat().is_some(),
            "{}: has no chat template, so it cannot hold a conversation; use `engraft generate --raw`",
            decoder.path.display()
        );
        anyhow::ensure!(
            !decoder.way(&entry, &settings)?.needs_context(),
            "--method: `{}` compares a prompt with and without its context, and a conversation has none; \
             use `engraft generate --context FILE`",
            self.method
        );
        let mut lines = Lines::open()?;
        if let Lines::Terminal(_) = lines {
            note("Ctrl-C stops an answer, /new begins anew, /exit or Ctrl-D ends.");
        }
        let stopped = &decoder.stopped;
        let handler = signal_hook::flag::register(signal_hook::consts::SIGINT, stopped.clone())
            .context("cannot listen for Ctrl-C")?;
        let begin: Vec<Message> = self
            .system
            .iter()
            .map(|text| says("system", text.as_str()))
            .collect();
        let mut messages = begin.clone();
        let mut pasts = Pasts::default();
        for turn in 0.. {
            let line = match lines.next()? {
                Typed::Line(line) => line,
                Typed::Nothing => continue,
                Typed::End => break,
            };
            match line.trim() {
                "" => continue,
                "/exit" => break,
                "/new" => {
                    messages.clone_from(&begin);
                    continue;
                }
                _ => messages.push(says("user", line.as_str())),
            }
            stopped.store(false, Ordering::Relaxed);
            let asked = Asked::conversation(&decoder.tokenizer, &messages)?;
            let bounds = Bounds {
                tokens: self.max_tokens,
                alternatives: 0,
                seed: self.seed.wrapping_add(turn),
            };
            let mut answered = Answered::new(&decoder.tokenizer, &[]);
            let mut way = decoder.way(&entry, &settings)?;
            let done = decoder.answer(&asked, &mut way, &mut pasts, &bounds, &mut |chosen| {
                let (text, go) = answered.push(chosen.token);
                say(&text);
                match stopped.load(Ordering::Relaxed) {
                    true => Go::Stop,
                    false => go,
                }
            });
            say(&format!("{}\n", answered.rest()));
            match done {
                Ok(ended) => {
                    messages.push(says("assistant", answered.whole()));
                    if ended == Ended::Full {
                        note("The model's context is full; /new begins a shorter conversation.");
                    }
                }
                Err(problem) => {
                    // The conversation goes on without the question that could not be answered.
                    messages.pop();
                    match problem {
                        AnswerError::Runtime(_) => {
                            note(&format!("{problem}; /new begins a shorter conversation."));
                        }
                        _ => note(&problem.to_string()),
                    }
                }
            }
        }
        signal_hook::low_level::unregister(handler);
        Ok(())
    }
}

impl Lines {
    fn open() -> anyhow::Result<Self> {
        match std::io::stdin().is_terminal() {
            true => Ok(Self::Terminal(Box::new(DefaultEditor::new()?))),
            false => Ok(Self::Pipe),
        }
    }

    fn next(&mut self) -> anyhow::Result<Typed> {
        match self {
            Self::Terminal(editor) => match editor.readline("> ") {
                Ok(line) => {
                    editor.add_history_entry(&line)?;
                    Ok(Typed::Line(line))
                }
                Err(ReadlineError::Interrupted) => Ok(Typed::Nothing),
                Err(ReadlineError::Eof) => Ok(Typed::End),
                Err(error) => Err(error.into()),
            },
            Self::Pipe => {
                let mut line = String::new();
                let read = std::io::stdin().lock().read_line(&mut line);
                std::io::stdout().flush()?;
                match read.context("standard input is not UTF-8; convert it")? {
                    0 => Ok(Typed::End),
                    _ => Ok(Typed::Line(line.trim_end_matches(['\n', '\r']).to_owned())),
                }
            }
        }
    }
}
