//! `engraft probe`: what a model knows of a file.

use clap::Args;
use engraft_probe::measurement::Measurement;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::{measure, plan::Plan, recipe::Recipe, say::say};

#[derive(Args)]
pub(super) struct Probe {
    /// A model folder, or YAML as in a recipe.
    #[arg(long)]
    model: String,
    /// JSONL of {"prompt", "completion"} or {"text"}, plain text or images; all of it is measured.
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
    /// cpu, cuda:0 or wgpu.
    #[arg(long, default_value = "cpu")]
    device: String,
}

impl Probe {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut data = super::verbs::source(&self.data, None)?;
        if let Value::Object(map) = &mut data
            && let Some(file) = map.get("text").or_else(|| map.get("jsonl")).cloned()
        {
            // Nothing is trained here: the whole file is what is measured.
            map.insert("test".to_owned(), file);
        }
        let model = super::verbs::yaml(&self.model)?;
        let step = Map::from_iter([
            ("model".to_owned(), json!("model")),
            ("on".to_owned(), json!("data")),
        ]);
        let recipe = Recipe::one_step(
            "probe",
            IndexMap::from([("data".to_owned(), data)]),
            IndexMap::from([("model".to_owned(), model)]),
            "probe",
            step,
        );
        let plan = Plan::resolve(&recipe, None, &self.device)?;
        let network = plan.models["model"].network();
        let found =
            measure::knowledge("data", &plan.data["data"], plan.tokenizer.as_ref(), network);
        for measurement in &found {
            let line = match self.json {
                true => serde_json::to_string(measurement)?,
                false => line(measurement),
            };
            say(&format!("{line}\n"));
        }
        Ok(())
    }
}

/// A measurement for people.
pub(super) fn line(found: &Measurement) -> String {
    let interval = found.shown_interval();
    let interval = if interval.is_empty() {
        String::new()
    } else {
        format!("  95 %: {interval}")
    };
    format!(
        "{:<44}{:>12}  n {}{interval}",
        found.probe,
        found.shown(),
        found.n
    )
}
