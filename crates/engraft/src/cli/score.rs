//! `engraft score`: how probable a model finds texts, completions and choices.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use engraft_files::atomic::write_file;
use engraft_probe::{Entry, Ledger, Measurement, ledger::Artifact};
use serde_json::json;

use crate::{
    decoding::{
        Choice, Decoder, ModelFlags, file, hash,
        scoring::{Found, Item, Scoring, measurements, read},
    },
    machine,
    say::say,
    watch::Watch,
};

#[derive(Args)]
pub(super) struct Score {
    #[command(flatten)]
    model: ModelFlags,
    /// JSONL of {"text"}, {"prompt", "completion"} or {"prompt", "choices", "answer"}, with a "context"
    /// where there is one, and a "condition" and a "neutral" for methods that have such settings; or
    /// plain text. Or a pulled file by name: wikitext-2/test.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Score under a decoding method, with settings: `cad:alpha=1`; a value with a colon stands in
    /// quotes. Texts are always scored by the plain model.
    #[arg(long, value_name = "METHOD")]
    method: Option<Choice>,
    /// A weaker model of the same tokenizer, for methods that compare with one.
    #[arg(long, value_name = "MODEL")]
    amateur: Option<PathBuf>,
    /// Write prompts by the model's chat template instead of as they are.
    #[arg(long)]
    chat: bool,
    /// Only so many lines of the file.
    #[arg(long, value_name = "N")]
    limit: Option<std::num::NonZeroUsize>,
    /// Tokens of a long text that are read together; the first of each is not scored.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(2..))]
    window: u32,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
    /// Write what was found of every item, JSON lines.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// Add the numbers to this ledger: RUN/ledger.jsonl.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl Score {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = file(&self.data, "--data")?;
        let mut items = read(&path)?;
        items.truncate(self.limit.map_or(usize::MAX, usize::from));
        let decoder =
            Decoder::load(&self.model)?.with_amateur(self.amateur.as_deref(), &self.model)?;
        let plain: Choice = "greedy".parse()?;
        let scoring = Scoring {
            decoder: &decoder,
            method: self.method.as_ref().unwrap_or(&plain),
            raw: !self.chat,
            window: self.window as usize,
        };
        let parts = items.iter().map(|item| scoring.parts(item)).sum();
        let texts = items.iter().all(|item| matches!(item, Item::Text(_)));
        let kind = if texts { "windows" } else { "items" };
        let mut watch = Watch::new("score", kind, parts);
        let mut found: Vec<Found> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let one = scoring.find(item, &mut || watch.step());
            found.extend(one.with_context(|| format!("{}, item {}", self.data.display(), at + 1))?);
        }
        watch.end();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let method = self.method.as_ref().map(|method| method.name.as_str());
        let measured = measurements(&name, method, &found);
        for measurement in &measured {
            let line = match self.json {
                true => serde_json::to_string(measurement)?,
                false => super::probe::line(measurement),
            };
            say(&format!("{line}\n"));
        }
        if let Some(items) = &self.items {
            let mut lines = String::new();
            for one in &found {
                lines.push_str(&format!("{}\n", serde_json::to_string(one)?));
            }
            write_file(items, lines.as_bytes())?;
        }
        if let Some(ledger) = &self.ledger {
            Ledger::open(ledger)?.append(self.entry(&decoder, &path, measured)?)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        decoder: &Decoder,
        data: &Path,
        measured: Vec<Measurement>,
    ) -> anyhow::Result<Entry> {
        let artifact = |role: &str, path: &Path, hash: String| Artifact {
            role: role.to_owned(),
            name: path.display().to_string(),
            hash,
        };
        let mut inputs = vec![
            artifact("model", &self.model.model, decoder.hash()?),
            artifact("data", &self.data, hash(data)?),
        ];
        if let (Some(amateur), Some(hash)) = (&self.amateur, decoder.amateur_hash()?) {
            inputs.push(artifact("amateur", amateur, hash));
        }
        for (role, file) in self.method.iter().flat_map(Choice::files) {
            inputs.push(artifact(role, file, hash(file)?));
        }
        let config = json!({
            "method": self.method.as_ref().map(|method| &method.name),
            "settings": self.method.as_ref().map(|method| &method.settings),
            "chat": self.chat,
            "limit": self.limit,
            "window": self.window,
            "precision": format!("{:?}", self.model.precision).to_lowercase(),
        });
        let id = blake3::hash(json!([inputs, config]).to_string().as_bytes());
        Ok(Entry {
            version: 1,
            id: id.to_hex().to_string(),
            time: machine::now(),
            run: "score".to_owned(),
            step: "score".to_owned(),
            verb: "score".to_owned(),
            what: format!("scored {}", self.data.display()),
            config,
            inputs,
            measurements: measured,
            machine: format!("cpu, {:?}", decoder.model.kernel()),
            ..Entry::default()
        })
    }
}
