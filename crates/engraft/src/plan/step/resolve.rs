//! From the list of steps as written to steps that can run: names, in order, and what each model has
//! learned by then.

use std::{collections::BTreeSet, path::Path};

use engraft_method::{Settings, suggest::hint};
use engraft_nets::Tokenizer;
use engraft_train::TrainConfig;
use indexmap::IndexMap;
use serde_json::Value;

use super::{ModelStep, Output, Step, name_of, repair};
use crate::{
    plan::{Data, Model, no_folder_name},
    recipe::{Complaints, Section, said},
};

/// What is known of a model before anything ran.
pub(super) struct Standing<'a> {
    pub(super) model: &'a Model,
    /// Data it has learned in earlier steps.
    learned: Vec<String>,
}

/// What the recipe gives to its steps. `None` stands where something could not be opened, built or
/// resolved: its own complaint says so, and nothing that needs it complains again.
pub(in crate::plan) struct Known<'a> {
    pub(super) data: &'a IndexMap<String, Option<Data>>,
    pub(super) models: IndexMap<String, Option<Standing<'a>>>,
    /// The names of the recipe's own models.
    pub(super) given: BTreeSet<String>,
    pub(super) tokenizer: Option<&'a Tokenizer>,
}

impl<'a> Known<'a> {
    pub(in crate::plan) fn new(
        data: &'a IndexMap<String, Option<Data>>,
        models: &'a IndexMap<String, Option<Model>>,
        tokenizer: Option<&'a Tokenizer>,
    ) -> Self {
        let fresh = |model| Standing {
            model,
            learned: Vec::new(),
        };
        Self {
            data,
            models: models
                .iter()
                .map(|(name, model)| (name.clone(), model.as_ref().map(fresh)))
                .collect(),
            given: models.keys().cloned().collect(),
            tokenizer,
        }
    }
}

pub(super) struct Resolver<'a> {
    pub(super) known: Known<'a>,
    /// The steps so far, by the model they made.
    steps: IndexMap<String, ModelStep>,
    /// Names of the steps so far.
    taken: BTreeSet<String>,
    pub(super) seed: u64,
    /// Where relative paths start.
    pub(super) directory: &'a Path,
    pub(super) complaints: Complaints,
}

/// Resolves the list of steps; what is wrong goes to `complaints`.
pub(in crate::plan) fn resolve(
    steps: &[Value],
    known: Known<'_>,
    directory: &Path,
    seed: u64,
    complaints: &Complaints,
) -> Vec<Step> {
    let mut resolver = Resolver {
        known,
        steps: IndexMap::new(),
        taken: BTreeSet::new(),
        seed,
        directory,
        complaints: complaints.clone(),
    };
    let resolved: Vec<Step> = steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| resolver.step(index, step))
        .collect();
    if steps.is_empty() {
        complaints.add("steps", "the list is empty; there is nothing to run");
    }
    resolved
}

const VERBS: [&str; 6] = ["train", "distill", "teach", "prune", "probe", repair::VERB];

impl Resolver<'_> {
    fn step(&mut self, index: usize, step: &Value) -> Option<Step> {
        let place = format!("steps.{index}");
        let single = step.as_object().filter(|map| map.len() == 1);
        let Some((typed, body)) = single.and_then(|map| map.iter().next()) else {
            self.complaints.add(
                &place,
                format!("must be one of {} with its keys below it", VERBS.join(", ")),
            );
            return None;
        };
        let verb = VERBS.into_iter().find(|known| known == typed);
        let name = name_of(typed, body);
        if let Some(name) = &name {
            self.claim(&place, name);
        }
        let Some(verb) = verb else {
            self.complaints.add(
                &place,
                format!("unknown step `{typed}`; {}", hint(typed, VERBS)),
            );
            self.made(name, None);
            return None;
        };
        let section = Section::new(format!("{place}.{verb}"), body, &self.complaints)?;
        if verb == repair::VERB {
            let resolved = self.repair(&section);
            section.finish();
            return Some(Step::Repair(Box::new(resolved?)));
        }
        let resolved = self.body(verb, &section);
        section.finish();
        if verb != "probe" {
            self.made(name, resolved.as_ref());
        }
        if let Some(step) = &resolved {
            self.steps.insert(step.name.clone(), step.clone());
        }
        Some(Step::Model(Box::new(resolved?)))
    }

    /// A step's files lie under its name, so every name stands once.
    fn claim(&mut self, place: &str, name: &str) {
        if let Some(problem) = no_folder_name(name) {
            self.complaints.add(place, format!("the name {problem}"));
        }
        if !self.taken.insert(name.to_owned()) {
            self.complaints.add(
                place,
                format!("the name `{name}` is taken by an earlier step; give this one a `name`"),
            );
        }
    }

    /// From here on the model that a step makes is known by the step's name.
    fn made(&mut self, name: Option<String>, step: Option<&ModelStep>) {
        let Some(name) = name else { return };
        let standing = step.and_then(|step| {
            let before = self.known.models.get(&step.model)?.as_ref()?;
            let mut learned = before.learned.clone();
            if !learned.contains(&step.on) {
                learned.push(step.on.clone());
            }
            Some(Standing {
                model: before.model,
                learned,
            })
        });
        self.known.models.insert(name, standing);
    }

    fn body(&self, verb: &'static str, section: &Section<'_>) -> Option<ModelStep> {
        let learner = if verb == "distill" {
            "student"
        } else {
            "model"
        };
        let model: Option<String> = section.need(learner, "the name of a model");
        // What an update taught and had to keep, its step knows.
        let taught = match verb {
            "prune" => model.as_ref().and_then(|model| self.steps.get(model)),
            _ => None,
        };
        let on: Option<String> = match taught {
            Some(step) => section.get("on").or_else(|| Some(step.on.clone())),
            None => section.need("on", "the name of the data"),
        };
        let keep: Vec<String> = section
            .get("keep")
            .or_else(|| Some(taught?.keep.clone()))
            .unwrap_or_default();
        let name: Option<String> = section.get("name");
        let train = match verb {
            // Nothing is trained; only choices are drawn.
            "prune" => Some(TrainConfig {
                seed: section.get("seed").unwrap_or(self.seed),
                ..TrainConfig::default()
            }),
            _ => self.train(section),
        };
        let work = match verb {
            "prune" => self.prune(section, taught),
            _ => self.work(verb, section),
        };
        let output = match verb {
            "probe" => Some(Output::default()),
            _ => self.output(section),
        };
        let model = model.and_then(|model| self.model(section, learner, model));
        let on = on.and_then(|on| self.data_name(section, "on", on));
        let keep: Vec<Option<String>> = keep
            .into_iter()
            .map(|extra| self.data_name(section, "keep", extra))
            .collect();
        let (model, on) = (model?, on?);
        let name = name.unwrap_or_else(|| format!("{verb}-{model}"));
        let learned = self.standing(&model)?.learned.iter().cloned().map(Some);
        let mut before: Vec<String> = Vec::new();
        for extra in learned.chain(keep) {
            let extra = extra?;
            if extra != on && !before.contains(&extra) {
                before.push(extra);
            }
        }
        let step = ModelStep {
            name,
            verb,
            model,
            on,
            keep: before,
            work: work?,
            train: train?,
            output: output?,
        };
        self.fits(section, &step);
        Some(step)
    }

    /// Training settings: the keys of [`TrainConfig`] among the step's own.
    fn train(&self, section: &Section<'_>) -> Option<TrainConfig> {
        let names = TrainConfig::fields().into_iter().map(|field| field.name);
        let mut settings = section.rest(names);
        settings.entry("seed").or_insert(Value::from(self.seed));
        let complain = |error: String| self.complaints.add(&section.place, error);
        let train: TrainConfig = serde_json::from_value(Value::Object(settings))
            .map_err(|error| complain(said(&error)))
            .ok()?;
        train
            .validate()
            .map_err(|error| complain(error.to_string()))
            .ok()?;
        Some(train)
    }

    pub(super) fn standing(&self, model: &str) -> Option<&Standing<'_>> {
        self.known.models.get(model)?.as_ref()
    }

    pub(super) fn opened(&self, data: &str) -> Option<&Data> {
        self.known.data.get(data)?.as_ref()
    }

    /// The name, if it is that of a model that could be built; complains of one nobody wrote.
    pub(super) fn model(&self, section: &Section<'_>, key: &str, name: String) -> Option<String> {
        if let Some(found) = self.known.models.get(&name) {
            return found.is_some().then_some(name);
        }
        self.unknown(
            section,
            format!("{key} `{name}` is no model and no earlier step"),
            &name,
            self.known.models.keys(),
        );
        None
    }

    pub(super) fn data_name(
        &self,
        section: &Section<'_>,
        key: &str,
        name: String,
    ) -> Option<String> {
        if let Some(found) = self.known.data.get(&name) {
            return found.is_some().then_some(name);
        }
        self.unknown(
            section,
            format!("{key} `{name}` is no data of this recipe"),
            &name,
            self.known.data.keys(),
        );
        None
    }

    fn unknown<'k>(
        &self,
        section: &Section<'_>,
        what: String,
        typed: &str,
        known: impl Iterator<Item = &'k String>,
    ) {
        let known: Vec<&str> = known.map(String::as_str).collect();
        let way_out = match known[..] {
            [] => "the recipe names none".to_owned(),
            _ => hint(typed, known),
        };
        self.complaints
            .add(&section.place, format!("{what}; {way_out}"));
    }
}
