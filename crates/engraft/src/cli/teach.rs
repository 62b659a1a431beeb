//! `teach` and `prune`: something new into a model, and what is kept of the change.

use clap::{ArgMatches, Args, ValueEnum, parser::ValueSource};
use engraft_continual::{PruneEntry, TeachEntry, methods, prunings};
use engraft_method::suggest::hint;
use engraft_train::TrainConfig;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{
    Place,
    verbs::{execute, settings, source, yaml},
};
use crate::plan::step::PLAIN;

/// How a taught model is stored.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Save {
    /// A model folder that transformers loads.
    Merged,
    /// The deltas alone, as PEFT writes them.
    Adapter,
}

#[derive(Args)]
pub(super) struct Teach {
    /// The model that learns: a folder, a GGUF file, the name of a pulled model, or YAML as in a
    /// recipe: '{folder: DIR, adapter: DIR}'.
    #[arg(long)]
    model: String,
    /// JSONL of {"fact", "answer", ...}: statements with the words to be known. Where training
    /// settings are not given, they are those suited to a few dozen facts.
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    facts: Option<String>,
    /// Other data to learn: JSONL of {"text"} or {"prompt", "completion"}, plain text, CIFAR binary or
    /// IDX images, or YAML as in a recipe.
    #[arg(long, value_name = "FILE", conflicts_with = "facts")]
    data: Option<String>,
    /// Held-out data of the same kind, to measure on.
    #[arg(long, value_name = "FILE", requires = "data")]
    test: Option<String>,
    /// How it is taught; see `engraft methods` [default: kore with --facts, full with --data].
    #[arg(long)]
    method: Option<String>,
    /// Data the model knows: measured before and after. Repeatable; with --facts, passages that
    /// travel with the program where nothing is named.
    #[arg(long, value_name = "FILE")]
    keep: Vec<String>,
    /// Replay the kept data: its share of every batch, from 0 to below 1.
    #[arg(long, default_value_t = 0.0)]
    replay_share: f64,
    /// Texts that stand for what the model knows, for methods that calibrate [default: passages that
    /// travel with the program].
    #[arg(long, value_name = "FILE")]
    calibrate: Option<String>,
    /// Which tokens of facts are predicted: answer or text [default: the method's own].
    #[arg(long)]
    labels: Option<String>,
    /// Lead up to surprising answers with the facts' hints.
    #[arg(long)]
    stepping_stones: bool,
    /// What is written: a whole model, or an adapter (lora, kore).
    #[arg(long, value_enum, default_value = "merged")]
    save: Save,
    /// Refuse to write a model that lost more nats than this on any data it was to keep.
    #[arg(long, value_name = "NATS")]
    max_loss: Option<f64>,
    /// Write it all the same.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    train: TrainConfig,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub(super) struct Prune {
    /// The taught model: a folder, a GGUF file, or YAML as in a recipe.
    #[arg(long)]
    model: String,
    /// The model before it was taught.
    #[arg(long)]
    base: String,
    /// What it was taught: JSONL of {"fact", "answer", ...}.
    #[arg(long, value_name = "FILE")]
    facts: String,
    /// What is kept of the change; see `engraft methods`.
    #[arg(long, default_value = "ignore-topk")]
    method: String,
    /// Data the model knows: measured before and after. Repeatable.
    #[arg(long, value_name = "FILE")]
    keep: Vec<String>,
    /// Seed of random choices.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    place: Place,
}

/// The data of a recipe of one step, by name.
#[derive(Default)]
struct Named(IndexMap<String, Value>);

impl Named {
    fn add(&mut self, name: &str, data: Value) -> Value {
        self.0.insert(name.to_owned(), data);
        json!(name)
    }

    /// One name a file; the built-in passages where there are none and `usual` says so.
    fn kept(&mut self, files: &[String], usual: bool) -> anyhow::Result<Vec<Value>> {
        if files.is_empty() && usual {
            return Ok(vec![self.add("passages", json!({ "general": true }))]);
        }
        let names = files.iter().enumerate().map(|(index, file)| {
            let name = match index {
                0 => "kept".to_owned(),
                _ => format!("kept-{}", index + 1),
            };
            Ok(self.add(&name, source(file, None)?))
        });
        names.collect()
    }
}

impl Teach {
    /// `flags` holds the settings of the method and says what was typed.
    pub(super) fn run(self, flags: &ArgMatches) -> anyhow::Result<()> {
        let entry = self.entry()?;
        let mut step = settings(&self.train)?;
        if self.facts.is_some() {
            for (key, value) in suited(&entry) {
                if flags.value_source(&key) == Some(ValueSource::DefaultValue) {
                    step.insert(key.to_owned(), value);
                }
            }
        }
        let mut data = Named::default();
        let on = match (&self.facts, &self.data) {
            (Some(facts), _) => data.add("facts", json!({ "facts": facts })),
            (None, Some(file)) => data.add("data", source(file, self.test.as_deref())?),
            (None, None) => anyhow::bail!("give --facts or --data"),
        };
        let keep = data.kept(&self.keep, self.facts.is_some())?;
        step.insert("on".into(), on);
        if self.replay_share != 0.0 {
            anyhow::ensure!(
                !self.keep.is_empty(),
                "--replay-share needs --keep: the data to replay"
            );
            step.insert("replay".into(), keep[0].clone());
            step.insert("replay_share".into(), json!(self.replay_share));
        }
        let needs = entry
            .method
            .needs
            .contains(&engraft_method::Need::Calibration);
        if let Some(file) = &self.calibrate {
            step.insert(
                "calibrate".into(),
                data.add("calibration", source(file, None)?),
            );
        } else if needs {
            let passages = data.add("passages", json!({ "general": true }));
            step.insert("calibrate".into(), passages);
        }
        if !keep.is_empty() {
            step.insert("keep".into(), json!(keep));
        }
        let mut method = entry.from_flags(flags).map_err(anyhow::Error::msg)?;
        if self.facts.is_some() && entry.adapter {
            for (key, value) in [("rank", json!(RANK)), ("alpha", json!(RANK as f64))] {
                let usual = || flags.value_source(key) == Some(ValueSource::DefaultValue);
                if !method[key].is_null() && usual() {
                    method[key] = value;
                }
            }
        }
        for (key, value) in [
            ("name", json!("taught")),
            ("model", json!("model")),
            ("method", json!({ entry.method.name: method })),
            ("save", json!(format!("{:?}", self.save).to_lowercase())),
            ("max_loss", json!(self.max_loss)),
            ("force", json!(self.force)),
            ("labels", json!(self.labels)),
            ("stepping_stones", json!(self.stepping_stones)),
        ] {
            step.insert(key.to_owned(), value);
        }
        let models = IndexMap::from([("model".to_owned(), yaml(&self.model)?)]);
        execute("teach", data.0, models, step, &self.place)
    }

    fn entry(&self) -> anyhow::Result<TeachEntry> {
        let usual = usual(self.facts.is_some());
        known_way(self.method.as_deref().unwrap_or(usual))
    }
}

/// The method where none is named.
fn usual(facts: bool) -> &'static str {
    match facts {
        true => "kore",
        false => PLAIN,
    }
}

/// Rank of an adapter suited to a few dozen facts.
const RANK: usize = 32;

/// Training settings suited to a few dozen facts.
fn suited(entry: &TeachEntry) -> Map<String, Value> {
    let settings = json!({
        "steps": 120, "batch": 20, "warmup": 12, "weight_decay": 0.0, "lr": entry.rate,
        "group_by_length": true,
    });
    match settings {
        Value::Object(map) => map,
        _ => unreachable!("a mapping was written"),
    }
}

impl Prune {
    /// `flags` holds the settings of the rule.
    pub(super) fn run(self, flags: &ArgMatches) -> anyhow::Result<()> {
        let entry = known_rule(&self.method)?;
        let method = entry.from_flags(flags).map_err(anyhow::Error::msg)?;
        let mut data = Named::default();
        let on = data.add("facts", json!({ "facts": self.facts }));
        let keep = data.kept(&self.keep, true)?;
        let step = json!({
            "name": "pruned", "model": "model", "base": "base", "on": on, "keep": keep,
            "seed": self.seed, "method": { entry.method.name: method },
        });
        let models = IndexMap::from([
            ("base".to_owned(), yaml(&self.base)?),
            ("model".to_owned(), yaml(&self.model)?),
        ]);
        let step = step.as_object().cloned().unwrap_or_default();
        execute("prune", data.0, models, step, &self.place)
    }
}

/// The way of teaching of that name, or the nearest one as advice.
fn known_way(name: &str) -> anyhow::Result<TeachEntry> {
    methods::find(name).ok_or_else(|| {
        let names: Vec<&str> = methods::all().iter().map(|e| e.method.name).collect();
        anyhow::anyhow!(
            "there is no way of teaching `{name}`; {}",
            hint(name, names)
        )
    })
}

/// The rule of that name, or the nearest one as advice.
fn known_rule(name: &str) -> anyhow::Result<PruneEntry> {
    prunings::find(name).ok_or_else(|| {
        let names: Vec<&str> = prunings::all().iter().map(|e| e.method.name).collect();
        anyhow::anyhow!(
            "there is no rule `{name}` to prune by; {}",
            hint(name, names)
        )
    })
}

/// The way of teaching that the typed words choose, to show its flags.
pub(super) fn way_among(words: &[&str]) -> anyhow::Result<TeachEntry> {
    let facts = words
        .iter()
        .any(|word| *word == "--facts" || word.starts_with("--facts="));
    known_way(super::verbs::method_among(words).unwrap_or(usual(facts)))
}

/// The rule that the typed words choose, to show its flags.
pub(super) fn rule_among(words: &[&str]) -> anyhow::Result<PruneEntry> {
    known_rule(super::verbs::method_among(words).unwrap_or("ignore-topk"))
}
