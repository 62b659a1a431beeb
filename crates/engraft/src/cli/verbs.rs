//! `train` and `distill`: each is a recipe of one step.

use std::path::Path;

use clap::{ArgMatches, Args};
use engraft_distill::Entry;
use engraft_method::suggest::hint;
use engraft_train::TrainConfig;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::Place;
use crate::{recipe::Recipe, store};

/// Data from a flag.
#[derive(Args)]
pub(super) struct Data {
    /// JSONL of {"text"} or {"prompt", "completion"}, plain text, CIFAR binary or IDX images (also
    /// .gz), or YAML as in a recipe: '{idx: {images: A, labels: B}}'.
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Held-out data of the same kind, to measure on.
    #[arg(long, value_name = "FILE")]
    test: Option<String>,
}

#[derive(Args)]
pub(super) struct Train {
    /// A Llama-family folder, or a built-in net as YAML: '{gpt: {layers: 2, width: 64}}'.
    #[arg(long)]
    model: String,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    train: TrainConfig,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub(super) struct Distill {
    /// The model to learn from: a folder, or YAML: '{resnet: {depth: 56}, weights: FILE}'.
    #[arg(long)]
    teacher: String,
    /// The model to make: a folder, a built-in net as YAML, or '{from: teacher, keep_layers: half}'.
    #[arg(long)]
    student: String,
    #[command(flatten)]
    data: Data,
    /// How the student is matched to the teacher; see `engraft methods`.
    #[arg(long, default_value = "kl")]
    method: String,
    /// Weight of the labels' cross-entropy.
    #[arg(long, default_value_t = 0.0)]
    label_weight: f64,
    /// Weight of the method's loss.
    #[arg(long, default_value_t = 1.0)]
    teacher_weight: f64,
    #[command(flatten)]
    train: TrainConfig,
    #[command(flatten)]
    place: Place,
}

impl Train {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut step = settings(&self.train)?;
        step.insert("name".into(), json!("trained"));
        step.insert("model".into(), json!("model"));
        step.insert("on".into(), json!("data"));
        let data = IndexMap::from([("data".to_owned(), self.data.recipe()?)]);
        let models = IndexMap::from([("model".to_owned(), yaml(&self.model)?)]);
        execute("train", data, models, step, &self.place)
    }
}

impl Distill {
    /// `flags` holds the settings of the method.
    pub(super) fn run(self, flags: &ArgMatches) -> anyhow::Result<()> {
        let entry = known(&self.method)?;
        let method = entry.from_flags(flags).map_err(anyhow::Error::msg)?;
        let mut step = settings(&self.train)?;
        for (key, value) in [
            ("name", json!("distilled")),
            ("teacher", json!("teacher")),
            ("student", json!("student")),
            ("on", json!("data")),
            ("method", json!({ self.method.clone(): method })),
            ("label_weight", json!(self.label_weight)),
            ("teacher_weight", json!(self.teacher_weight)),
        ] {
            step.insert(key.to_owned(), value);
        }
        let data = IndexMap::from([("data".to_owned(), self.data.recipe()?)]);
        let models = IndexMap::from([
            ("teacher".to_owned(), yaml(&self.teacher)?),
            ("student".to_owned(), yaml(&self.student)?),
        ]);
        execute("distill", data, models, step, &self.place)
    }
}

pub(super) fn execute(
    verb: &str,
    data: IndexMap<String, Value>,
    models: IndexMap<String, Value>,
    step: Map<String, Value>,
    place: &Place,
) -> anyhow::Result<()> {
    let recipe = Recipe::one_step(verb, data, models, verb, step);
    crate::run::execute(&recipe, &place.options()).map(drop)
}

pub(super) fn settings(train: &TrainConfig) -> anyhow::Result<Map<String, Value>> {
    match serde_json::to_value(train)? {
        Value::Object(map) => Ok(map),
        _ => unreachable!("a struct serialises to a mapping"),
    }
}

impl Data {
    fn recipe(&self) -> anyhow::Result<Value> {
        source(&self.data, self.test.as_deref())
    }
}

/// Data as a recipe writes it: YAML as it is, a file or the name of a pulled one by its extension.
pub(super) fn source(text: &str, test: Option<&str>) -> anyhow::Result<Value> {
    if text.trim_start().starts_with('{') {
        let mut written = yaml(text)?;
        if let (Value::Object(map), Some(test)) = (&mut written, test) {
            map.insert("test".to_owned(), json!(test));
        }
        return Ok(written);
    }
    // The name of a pulled file has no extension; the file has.
    let file = match Path::new(text).exists() {
        true => text,
        false => store::file(text).unwrap_or(text),
    };
    let plain = file.strip_suffix(".gz").unwrap_or(file);
    let kind = match plain.rsplit_once('.').map(|(_, extension)| extension) {
        Some("jsonl") => "jsonl",
        Some("bin") => "cifar",
        Some("txt" | "md" | "text") => "text",
        _ => anyhow::bail!(
            "{text}: the kind of data does not show in the name; use .jsonl, .txt or .bin (CIFAR), \
             or write YAML: '{{text: {text}}}', '{{idx: {{images: A, labels: B}}}}'"
        ),
    };
    let mut data = Map::from_iter([(kind.to_owned(), json!(text))]);
    if let Some(test) = test {
        data.insert("test".to_owned(), json!(test));
    }
    Ok(Value::Object(data))
}

/// A mapping in YAML from a flag; anything else is a path, whatever YAML would make of it.
pub(super) fn yaml(text: &str) -> anyhow::Result<Value> {
    match crate::recipe::yaml(text) {
        Ok(Value::Object(map)) => Ok(Value::Object(map)),
        Err(error) if text.trim_start().starts_with('{') => {
            anyhow::bail!("`{text}` is not YAML ({error}); mend that place")
        }
        _ => Ok(Value::from(text)),
    }
}

/// The method of that name, or the nearest one as advice.
pub(super) fn known(name: &str) -> anyhow::Result<Entry> {
    engraft_distill::find(name).ok_or_else(|| {
        let names: Vec<&str> = engraft_distill::all()
            .iter()
            .map(|e| e.method.name)
            .collect();
        anyhow::anyhow!(
            "there is no distillation method `{name}`; {}",
            hint(name, names)
        )
    })
}

/// The method that the typed words choose, to show its flags.
pub(super) fn method_among<'w>(words: &[&'w str]) -> Option<&'w str> {
    let after = words.iter().position(|word| *word == "--method");
    let joined = words.iter().find_map(|word| word.strip_prefix("--method="));
    after.and_then(|at| words.get(at + 1).copied()).or(joined)
}
