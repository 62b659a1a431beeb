//! `engraft generate`: an answer, streamed, with the reasons of the method that decoded it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgMatches, Args, ValueEnum};
use engraft_decode::{
    Chosen, DecodeEntry, Go, Limits, Prompt, Source, Way,
    answer::answer,
    beam::{Beam, beam_search},
    methods,
    processors::Processors,
};
use engraft_files::{Message, Tokenizer};
use engraft_method::suggest::hint;
use engraft_runtime::{CausalLm, Llama, Options, Precision};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{say::say, store};

/// How the products are computed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Computes {
    /// Weights as stored, activations in eight bits.
    Int8,
    /// Everything in 32-bit floats.
    F32,
}

#[derive(Args)]
pub(super) struct Generate {
    /// A model folder, a GGUF file or the name of a pulled model.
    #[arg(long)]
    model: PathBuf,
    /// The question, or the text to go on with.
    prompt: String,
    /// A text that the answer should be based on.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// How it is decoded; see `engraft methods`.
    #[arg(long, default_value = "greedy")]
    method: String,
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
    #[arg(long)]
    json: bool,
    /// int8 or f32.
    #[arg(long, value_enum, default_value = "int8")]
    precision: Computes,
    /// Threads [default: as many as cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Of methods that draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The method that the typed words choose, to show its flags.
pub(super) fn method_among(words: &[&str]) -> anyhow::Result<DecodeEntry> {
    known(super::verbs::method_among(words).unwrap_or("greedy"))
}

fn known(name: &str) -> anyhow::Result<DecodeEntry> {
    methods::find(name).with_context(|| {
        let names: Vec<&str> = methods::all()
            .iter()
            .map(|entry| entry.method.name)
            .collect();
        format!("--method: unknown method `{name}`; {}", hint(name, names))
    })
}

/// Alternatives that an explanation shows.
const ALTERNATIVES: usize = 3;

impl Generate {
    pub(super) fn run(self, flags: &ArgMatches) -> anyhow::Result<()> {
        let entry = known(&self.method)?;
        let settings = entry.from_flags(flags).map_err(anyhow::Error::msg)?;
        let said = |problem: String| anyhow::anyhow!("{}: {problem}", entry.method.name);
        let settings = entry.normalise(&settings).map_err(said)?;
        let context = self.context.as_deref().map(text).transpose()?;
        let path = store::place(Path::new(""), &self.model)
            .map_err(|problem| anyhow::anyhow!("--model: {problem}"))?;
        let loaded = Llama::load(
            &path,
            Options {
                precision: match self.precision {
                    Computes::Int8 => Precision::Int8,
                    Computes::F32 => Precision::F32,
                },
                threads: self.threads.map(usize::from),
                kernel: None,
            },
        )?;
        let tokenizer = loaded.tokenizer.with_context(|| {
            let path = path.display();
            format!("{path}: has no tokenizer; put its tokenizer.json beside the weights")
        })?;
        let way = entry.start(&settings, loaded.model.shape()).map_err(said)?;
        let full = self.tokens(context.as_deref(), &tokenizer)?;
        let mut steering = match way {
            Way::Steer(steering) => steering,
            Way::Beam(beam) => return self.beams(&loaded.model, &beam, &full, &tokenizer),
        };
        let question = match context {
            Some(_) => Some(self.tokens(None, &tokenizer)?),
            None => None,
        };
        let find = |words: &str| place_of(words, &full, &tokenizer);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut limits = Limits {
            tokens: self.max_tokens,
            ends: &[tokenizer.end_of_text()],
            alternatives: if self.explain || self.json {
                ALTERNATIVES
            } else {
                0
            },
            uniform: &mut || random.random(),
        };
        let prompt = Prompt {
            full: &full,
            question: question.as_deref(),
            find: &find,
        };
        let mut answered = Answered::new(&tokenizer, &self.stop);
        answer(
            &loaded.model,
            &prompt,
            &mut *steering,
            &mut limits,
            &mut |chosen| {
                let (new, go) = answered.push(chosen.token);
                match (self.json, self.explain) {
                    (true, _) => say(&format!("{}\n", line(&chosen, &new, &tokenizer))),
                    (_, true) => say(&format!("{}\n", words(&chosen, &tokenizer))),
                    _ => say(&new),
                }
                go
            },
        )?;
        if !self.json && !self.explain {
            say(&format!("{}\n", answered.rest()));
        }
        Ok(())
    }

    /// The best answer of a beam search, or all of them as JSON lines.
    fn beams(
        &self,
        model: &Llama,
        beam: &Beam,
        prompt: &[u32],
        tokenizer: &Tokenizer,
    ) -> anyhow::Result<()> {
        let ends = [tokenizer.end_of_text()];
        let processors = Processors::default();
        let limit = self.max_tokens;
        let found = beam_search(
            model,
            model.stream(),
            prompt,
            beam,
            &processors,
            &ends,
            limit,
        )?;
        for answer in found {
            let mut text = tokenizer.decode(&answer.tokens);
            let stops = self.stop.iter().filter(|stop| !stop.is_empty());
            if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
                text.truncate(at);
            }
            if self.json {
                let line = json!({
                    "text": text, "tokens": answer.tokens, "score": answer.score,
                });
                say(&format!("{line}\n"));
            } else {
                say(&format!("{text}\n"));
                break;
            }
        }
        Ok(())
    }

    /// The prompt with or without its context, as the model wants it written.
    fn tokens(&self, context: Option<&str>, tokenizer: &Tokenizer) -> anyhow::Result<Vec<u32>> {
        let content = match context {
            Some(context) => format!("{}\n{}", context.trim_end(), self.prompt),
            None => self.prompt.clone(),
        };
        anyhow::ensure!(
            !content.trim().is_empty(),
            "the prompt is empty; write a question"
        );
        let Some(chat) = tokenizer.chat().filter(|_| !self.raw) else {
            let start = tokenizer.start_of_text().filter(|_| !self.raw);
            return Ok(start
                .into_iter()
                .chain(tokenizer.encode(&content))
                .collect());
        };
        let message = Message {
            role: "user".to_owned(),
            content,
        };
        Ok(tokenizer.encode(&chat.fill(&[message], true)?))
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

/// The tokens of a prompt that hold these words, the last place of several.
fn place_of(words: &str, tokens: &[u32], tokenizer: &Tokenizer) -> Option<std::ops::Range<usize>> {
    let length = |count: usize| tokenizer.decode_whole(&tokens[..count]).len();
    let at = tokenizer.decode_whole(tokens).rfind(words)?;
    let end = at + words.len();
    let first = (0..tokens.len()).find(|&count| length(count + 1) > at)?;
    let last = (first..tokens.len()).find(|&count| length(count + 1) >= end)?;
    Some(first..last + 1)
}

/// The answer so far: text leaves it in whole characters, and never the beginning of a stop.
struct Answered<'a> {
    tokenizer: &'a Tokenizer,
    stops: &'a [String],
    tokens: Vec<u32>,
    /// Bytes of the text that have been said.
    said: usize,
    stopped: bool,
}

impl<'a> Answered<'a> {
    fn new(tokenizer: &'a Tokenizer, stops: &'a [String]) -> Self {
        Self {
            tokenizer,
            stops,
            tokens: Vec::new(),
            said: 0,
            stopped: false,
        }
    }

    /// Adds a token; what of the text can be said now, and whether it goes on.
    fn push(&mut self, token: u32) -> (String, Go) {
        self.tokens.push(token);
        let text = self.tokenizer.decode(&self.tokens);
        let stops = self.stops.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops
            .clone()
            .filter_map(|stop| text.find(stop.as_str()))
            .min()
        {
            self.stopped = true;
            return (self.say(&text, at), Go::Stop);
        }
        let held = stops
            .filter_map(|stop| beginning(&text, stop))
            .max()
            .unwrap_or(0);
        // A character that is not whole yet shows as this mark.
        let whole = text.trim_end_matches('\u{FFFD}').len();
        (self.say(&text, whole.min(text.len() - held)), Go::On)
    }

    fn say(&mut self, text: &str, end: usize) -> String {
        let from = self.said.min(end);
        self.said = end.max(from);
        text.get(from..end).unwrap_or_default().to_owned()
    }

    /// What was held back, once the answer has ended.
    fn rest(&mut self) -> String {
        let text = self.tokenizer.decode(&self.tokens);
        let end = if self.stopped { self.said } else { text.len() };
        self.say(&text, end)
    }
}

/// Bytes at the end of a text that may be the beginning of a stop.
fn beginning(text: &str, stop: &str) -> Option<usize> {
    let starts = stop.char_indices().map(|(at, _)| at).skip(1);
    starts
        .filter(|&length| text.ends_with(&stop[..length]))
        .max()
}

fn source(told: Option<Source>) -> String {
    match told {
        None => "-".to_owned(),
        Some(Source::Model) => "model".to_owned(),
        Some(Source::Memory) => "memory".to_owned(),
        Some(Source::Context) => "context".to_owned(),
        Some(Source::Knowledge) => "knowledge".to_owned(),
        Some(Source::Layer(layer)) => format!("layer {layer}"),
    }
}

/// A token for people.
fn words(chosen: &Chosen, tokenizer: &Tokenizer) -> String {
    let piece = |token: u32| format!("{:?}", tokenizer.decode_whole(&[token]));
    let mut line = format!(
        "{:<18} {:<10} {:>6.2} %",
        piece(chosen.token),
        source(chosen.told.source),
        100.0 * chosen.log_probability.exp()
    );
    for (name, number) in &chosen.told.numbers {
        line.push_str(&format!("  {name} {number:.3}"));
    }
    let others = chosen
        .alternatives
        .iter()
        .filter(|(token, _)| *token != chosen.token);
    let others: Vec<String> = others
        .map(|(token, score)| format!("{} {:.2} %", piece(*token), 100.0 * score.exp()))
        .collect();
    line.push_str(&format!("  or {}", others.join(", ")));
    if let Some(note) = &chosen.told.note {
        line.push_str(&format!("  ({note})"));
    }
    line
}

/// The same as JSON.
fn line(chosen: &Chosen, new: &str, tokenizer: &Tokenizer) -> Value {
    let numbers = chosen.told.numbers.iter();
    let numbers: serde_json::Map<String, Value> = numbers
        .map(|(name, number)| ((*name).to_owned(), json!(number)))
        .collect();
    let alternatives: Vec<Value> = chosen
        .alternatives
        .iter()
        .map(|(token, score)| {
            json!({
                "token": token, "text": tokenizer.decode_whole(&[*token]),
                "log_probability": score,
            })
        })
        .collect();
    json!({
        "token": chosen.token, "text": new, "log_probability": chosen.log_probability,
        "source": source(chosen.told.source), "numbers": numbers, "note": chosen.told.note,
        "alternatives": alternatives,
    })
}
