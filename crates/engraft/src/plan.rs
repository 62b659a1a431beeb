//! A recipe with every default filled in, every file opened and every model built: what will run.
//!
//! All complaints come from here, all at once, before the first second of compute.

pub mod data;
mod memory;
pub mod model;
pub mod step;

use std::path::PathBuf;

use burn::tensor::Device;
use indexmap::IndexMap;
use serde_json::Value;

pub use data::Data;
pub use model::Model;
pub use step::{ModelStep, Output, RepairStep, Save, Step, Work};

use crate::recipe::{Complaints, Recipe, Section};
use engraft_nets::Tokenizer;

/// Everything that is wrong with a recipe.
#[derive(Debug, thiserror::Error)]
#[error("{origin} cannot run:\n  - {}", .complaints.join("\n  - "))]
pub struct PlanError {
    /// What was to be run: `the recipe small.yaml`.
    origin: String,
    complaints: Vec<String>,
}

/// A run that can start.
pub struct Plan {
    pub name: String,
    pub seed: u64,
    /// Folder for models, ledger and report.
    pub out: PathBuf,
    pub device: Device,
    pub yaml: String,
    pub data: IndexMap<String, Data>,
    /// Models as the recipe gives them; steps add theirs under the step's name.
    pub models: IndexMap<String, Model>,
    pub steps: Vec<Step>,
    /// One vocabulary for all texts and all fresh language models of the recipe.
    pub tokenizer: Option<Tokenizer>,
}

impl Plan {
    /// Resolves a recipe; `out` and `device` from the command line.
    pub fn resolve(recipe: &Recipe, out: Option<PathBuf>, device: &str) -> Result<Self, PlanError> {
        let complaints = Complaints::default();
        let plan = resolve(recipe, out, device, &complaints);
        match plan {
            Some(plan) if complaints.is_empty() => Ok(plan),
            _ => Err(PlanError {
                origin: recipe.origin.clone(),
                complaints: complaints.list(),
            }),
        }
    }
}

fn resolve(
    recipe: &Recipe,
    out: Option<PathBuf>,
    device: &str,
    complaints: &Complaints,
) -> Option<Plan> {
    let root = Section::of("recipe", &recipe.root, complaints);
    let name = root
        .get::<String>("name")
        .unwrap_or_else(|| recipe.name.clone());
    if let Some(problem) = no_folder_name(&name) {
        complaints.add("recipe.name", problem);
    }
    let seed = root.get::<u64>("seed").unwrap_or(0);
    // On the processor everything else can be checked too, whatever device was meant.
    let device = crate::device::parse(device).unwrap_or_else(|error| {
        complaints.add("--device", error);
        Device::flex()
    });
    // How often a recipe is run, and its short form, are for the run to read.
    for key in crate::seeds::KEYS {
        root.raw(key);
    }
    let empty = Value::Null;
    let data_section = Section::new("data", root.raw("data").unwrap_or(&empty), complaints);
    let model_section = Section::new("models", root.raw("models").unwrap_or(&empty), complaints);
    let steps = root.need::<Vec<Value>>(
        "steps",
        "a list of train, distill, teach, prune, probe or repair",
    );
    root.finish();
    let (data_section, model_section) = (data_section?, model_section?);

    let mut data = IndexMap::new();
    for key in data_section.keys() {
        let value = data_section.raw(key).unwrap_or(&empty);
        let place = format!("data.{key}");
        let opened = Data::open(&place, value, &recipe.directory, seed, complaints);
        data.insert(key.clone(), opened);
    }
    let (models, tokenizer) = model::build(
        &model_section,
        &mut data,
        &recipe.directory,
        seed,
        &device,
        complaints,
    );
    let known = step::Known::new(&data, &models, tokenizer.as_ref());
    let steps = step::resolve(&steps?, known, &recipe.directory, seed, complaints);
    if !complaints.is_empty() {
        return None;
    }
    let whole = |(name, opened): (String, Option<Data>)| Some((name, opened?));
    let built = |(name, model): (String, Option<Model>)| Some((name, model?));
    Some(Plan {
        out: out.unwrap_or_else(|| crate::run::place::usual(&name)),
        name,
        seed,
        device,
        yaml: steps.iter().fold(recipe.yaml(), |yaml, step| match step {
            Step::Repair(step) => step.keys.store.hidden_in(yaml),
            Step::Model(_) => yaml,
        }),
        data: data.into_iter().filter_map(whole).collect(),
        models: models.into_iter().filter_map(built).collect(),
        steps,
        tokenizer,
    })
}

/// Why a name cannot be that of a folder, if it cannot: names of runs and steps become folders.
fn no_folder_name(name: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    (name.is_empty() || name.starts_with('.') || name.len() > 120 || name.chars().any(odd)).then(
        || {
            format!(
                "`{}` becomes the name of a folder; use letters, digits, `-`, `_`",
                name.escape_debug()
            )
        },
    )
}

impl Plan {
    /// What `--dry-run` prints: everything resolved, as YAML.
    pub fn describe(&self) -> String {
        let data: serde_json::Map<String, Value> = self
            .data
            .iter()
            .map(|(name, data)| (name.clone(), Value::from(data.summary())))
            .collect();
        let models: serde_json::Map<String, Value> = self
            .models
            .iter()
            .map(|(name, model)| {
                let count = model.network().parameter_count();
                (
                    name.clone(),
                    Value::from(format!("{} ({count} parameters)", model.origin)),
                )
            })
            .collect();
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| serde_json::to_value(step).unwrap_or_default())
            .collect();
        let whole = serde_json::json!({
            "run": self.name,
            "seed": self.seed,
            "out": self.out.display().to_string(),
            "machine": crate::machine::describe(&self.device),
            "vocabulary": self.tokenizer.as_ref().map(Tokenizer::vocab_size),
            "data": data,
            "models": models,
            "steps": steps,
        });
        serde_yaml_ng::to_string(&whole).unwrap_or_default()
    }
}
