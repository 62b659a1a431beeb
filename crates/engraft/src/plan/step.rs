//! The steps of a plan: verbs with every name resolved and every need checked.

mod fits;

use std::collections::BTreeSet;

use engraft_continual::{Labels, TeachEntry, methods, prunings};
use engraft_distill::Weights;
use engraft_method::{Settings, suggest::hint};
use engraft_nets::Tokenizer;
use engraft_train::TrainConfig;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Data, Model, no_folder_name};
use crate::recipe::{Complaints, Section, said};

/// One step: a model goes in, a model comes out under the step's name.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub name: String,
    pub verb: &'static str,
    /// The model that learns: of the recipe, or the name of an earlier step.
    pub model: String,
    /// The data it learns from.
    pub on: String,
    /// Data the model knew before: measured before and after.
    pub keep: Vec<String>,
    pub work: Work,
    pub train: TrainConfig,
    pub output: Output,
}

/// What becomes of the model that a step makes. Decides nothing about its numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Output {
    pub save: Save,
    /// Refuse a model that lost more nats than this on any data it was to keep.
    pub max_loss: Option<f64>,
    /// Save it all the same.
    pub force: bool,
}

/// How a model is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Save {
    /// A model folder, deltas merged into the weights.
    #[default]
    Merged,
    /// The deltas alone, in PEFT's format.
    Adapter,
    /// Nothing but what was measured; the model lives as long as the run.
    Nothing,
}

/// What the step does with the data.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Learning the data by a method, part of each batch replayed from data it knew.
    Learn {
        method: String,
        settings: Value,
        replay: Option<String>,
        replay_share: f64,
        /// Texts that stand for what the model knows.
        calibrate: Option<String>,
        /// Which tokens of facts are predicted.
        labels: Labels,
        /// Lead up to answers that are less probable than this with the facts' hints.
        stepping_stones: Option<f64>,
    },
    /// Keeping a part of what training changed.
    Prune {
        /// The model before training.
        base: String,
        method: String,
        settings: Value,
    },
    /// Matching a teacher.
    Distill {
        teacher: String,
        method: String,
        settings: Value,
        label_weight: f64,
        teacher_weight: f64,
    },
    /// Measuring only.
    Probe,
}

impl Step {
    /// One clause for tables: what was done.
    pub fn what(&self) -> String {
        match &self.work {
            Work::Learn {
                method,
                replay,
                replay_share,
                stepping_stones,
                ..
            } => {
                let mut what = format!("{} on {}", self.model, self.on);
                if method != PLAIN {
                    what.push_str(&format!(" by {method}"));
                }
                if stepping_stones.is_some() {
                    what.push_str(", stepping stones before surprising answers");
                }
                if let Some(replay) = replay {
                    let share = replay_share * 100.0;
                    what.push_str(&format!(
                        ", {share:.0} % of each batch replayed from {replay}"
                    ));
                }
                what
            }
            Work::Prune { base, method, .. } => {
                format!("{}'s change of {base} pruned by {method}", self.model)
            }
            Work::Distill {
                teacher, method, ..
            } => {
                format!("{teacher} into {} by {method}, on {}", self.model, self.on)
            }
            Work::Probe => format!("{} measured on {}", self.model, self.on),
        }
    }

    /// The models it is made from.
    pub fn needs(&self) -> Vec<&str> {
        let other = match &self.work {
            Work::Distill { teacher, .. } => Some(teacher),
            Work::Prune { base, .. } => Some(base),
            _ => None,
        };
        std::iter::once(&self.model)
            .chain(other)
            .map(String::as_str)
            .collect()
    }

    /// The model it is compared with: the one before anything was taught.
    pub fn origin(&self) -> &str {
        match &self.work {
            Work::Prune { base, .. } => base,
            _ => &self.model,
        }
    }

    /// How labels and teacher share the loss.
    pub fn weights(&self) -> Weights {
        match self.work {
            Work::Distill {
                label_weight,
                teacher_weight,
                ..
            } => Weights {
                labels: label_weight,
                teacher: teacher_weight,
            },
            _ => Weights {
                labels: 1.0,
                teacher: 0.0,
            },
        }
    }
}

/// What is known of a model before anything ran.
struct Standing<'a> {
    model: &'a Model,
    /// Data it has learned in earlier steps.
    learned: Vec<String>,
}

/// What the recipe gives to its steps. `None` stands where something could not be opened, built or
/// resolved: its own complaint says so, and nothing that needs it complains again.
pub(super) struct Known<'a> {
    data: &'a IndexMap<String, Option<Data>>,
    models: IndexMap<String, Option<Standing<'a>>>,
    /// The names of the recipe's own models.
    given: BTreeSet<String>,
    tokenizer: Option<&'a Tokenizer>,
}

impl<'a> Known<'a> {
    pub(super) fn new(
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

struct Resolver<'a> {
    known: Known<'a>,
    /// The steps so far, by the model they made.
    steps: IndexMap<String, Step>,
    /// Names of the steps so far.
    taken: BTreeSet<String>,
    seed: u64,
    complaints: Complaints,
}

/// Resolves the list of steps; what is wrong goes to `complaints`.
pub(super) fn resolve(
    steps: &[Value],
    known: Known<'_>,
    seed: u64,
    complaints: &Complaints,
) -> Vec<Step> {
    let mut resolver = Resolver {
        known,
        steps: IndexMap::new(),
        taken: BTreeSet::new(),
        seed,
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

const VERBS: [&str; 5] = ["train", "distill", "teach", "prune", "probe"];

/// The way of teaching where none is named.
pub const PLAIN: &str = "full";

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
        let resolved = self.body(verb, &section);
        section.finish();
        if verb != "probe" {
            self.made(name, resolved.as_ref());
        }
        if let Some(step) = &resolved {
            self.steps.insert(step.name.clone(), step.clone());
        }
        resolved
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
    fn made(&mut self, name: Option<String>, step: Option<&Step>) {
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

    fn body(&self, verb: &'static str, section: &Section<'_>) -> Option<Step> {
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
        let step = Step {
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

    fn work(&self, verb: &str, section: &Section<'_>) -> Option<Work> {
        match verb {
            "distill" => self.distill(section),
            "probe" => Some(Work::Probe),
            _ => {
                let replay: Option<String> = section.get("replay");
                let share: Option<f64> = section.get("replay_share");
                let share = share.unwrap_or(if replay.is_some() { 0.5 } else { 0.0 });
                if !(0.0..1.0).contains(&share) {
                    self.complaints.add(
                        &section.place,
                        format!("replay_share is {share}; it must lie from 0 to below 1"),
                    );
                    return None;
                }
                if replay.is_none() && share > 0.0 {
                    self.complaints.add(
                        &section.place,
                        "replay_share needs `replay`: the data to replay",
                    );
                }
                let replay = match replay {
                    Some(name) => Some(self.data_name(section, "replay", name)?),
                    None => None,
                };
                let (entry, settings) = match verb {
                    "teach" => self.way(section)?,
                    _ => (methods::find(PLAIN).expect("it is registered"), Value::Null),
                };
                let calibrate: Option<String> = section.get("calibrate");
                let calibrate = match calibrate {
                    Some(name) => Some(self.data_name(section, "calibrate", name)?),
                    None => None,
                };
                Some(Work::Learn {
                    method: entry.method.name.to_owned(),
                    settings,
                    replay,
                    replay_share: share,
                    calibrate,
                    labels: section.get("labels").unwrap_or(entry.labels),
                    stepping_stones: self.stepping_stones(section)?,
                })
            }
        }
    }

    /// How a teach step teaches, its settings filled in.
    fn way(&self, section: &Section<'_>) -> Option<(TeachEntry, Value)> {
        let (method, settings) = self.method(section, PLAIN)?;
        let Some(entry) = methods::find(&method) else {
            let names: Vec<&str> = methods::all().iter().map(|e| e.method.name).collect();
            self.unknown_method(section, &method, &names);
            return None;
        };
        let settings = entry.normalise(&settings);
        Some((entry, self.accepted(section, &method, settings)?))
    }

    fn prune(&self, section: &Section<'_>, taught: Option<&Step>) -> Option<Work> {
        let base: Option<String> = match taught {
            Some(step) => section.get("base").or_else(|| Some(step.model.clone())),
            None => section.need("base", "the name of the model before it was taught"),
        };
        let (method, settings) = self.method(section, "ignore-topk")?;
        let Some(entry) = prunings::find(&method) else {
            let names: Vec<&str> = prunings::all().iter().map(|e| e.method.name).collect();
            self.unknown_method(section, &method, &names);
            return None;
        };
        let settings = self.accepted(section, &method, entry.normalise(&settings))?;
        Some(Work::Prune {
            base: self.model(section, "base", base?)?,
            method,
            settings,
        })
    }

    /// `stepping_stones: true`, or the probability below which an answer is surprising.
    fn stepping_stones(&self, section: &Section<'_>) -> Option<Option<f64>> {
        let threshold = match section.raw("stepping_stones") {
            None | Some(Value::Bool(false)) => return Some(None),
            Some(Value::Bool(true)) => engraft_probe::priming::SURPRISING,
            Some(_) => section.get("stepping_stones")?,
        };
        if threshold > 0.0 && threshold <= 1.0 {
            return Some(Some(threshold));
        }
        self.complaints.add(
            &section.place,
            format!("stepping_stones is {threshold}; it must be true, or above 0 and at most 1"),
        );
        None
    }

    fn output(&self, section: &Section<'_>) -> Option<Output> {
        let max_loss: Option<f64> = section.get("max_loss");
        if max_loss.is_some_and(f64::is_nan) {
            self.complaints.add(&section.place, "max_loss is no number");
            return None;
        }
        Some(Output {
            save: section.get("save").unwrap_or_default(),
            max_loss,
            force: section.get("force").unwrap_or(false),
        })
    }

    /// `method: NAME`, or one name with settings below it.
    fn method(&self, section: &Section<'_>, usual: &str) -> Option<(String, Value)> {
        let written = section.raw("method").cloned().unwrap_or(Value::from(usual));
        match &written {
            Value::String(name) => Some((name.clone(), Value::Null)),
            Value::Object(map) if map.len() == 1 => {
                let (name, settings) = map.iter().next().expect("one entry");
                Some((name.clone(), settings.clone()))
            }
            _ => {
                self.complaints.add(
                    &section.place,
                    "method must be a name, or one name with settings below it",
                );
                None
            }
        }
    }

    fn unknown_method(&self, section: &Section<'_>, method: &str, names: &[&str]) {
        self.complaints.add(
            &section.place,
            format!(
                "unknown method `{method}`; {}",
                hint(method, names.to_vec())
            ),
        );
    }

    fn accepted(
        &self,
        section: &Section<'_>,
        method: &str,
        settings: Result<Value, String>,
    ) -> Option<Value> {
        let place = format!("{}.method.{method}", section.place);
        settings
            .map_err(|error| self.complaints.add(&place, error))
            .ok()
    }

    fn distill(&self, section: &Section<'_>) -> Option<Work> {
        let teacher: Option<String> = section.need("teacher", "the name of a model");
        let label_weight: f64 = section.get("label_weight").unwrap_or(0.0);
        let teacher_weight: f64 = section.get("teacher_weight").unwrap_or(1.0);
        let usable = |weight: f64| weight.is_finite() && weight >= 0.0;
        if !usable(label_weight) || !usable(teacher_weight) || label_weight + teacher_weight == 0.0
        {
            self.complaints.add(
                &section.place,
                format!(
                    "label_weight is {label_weight} and teacher_weight {teacher_weight}; they must \
                     be 0 or more, one of them above 0"
                ),
            );
        }
        let (method, settings) = self.method(section, "kl")?;
        let Some(entry) = engraft_distill::find(&method) else {
            let entries = engraft_distill::all();
            let names: Vec<&str> = entries.iter().map(|e| e.method.name).collect();
            self.unknown_method(section, &method, &names);
            return None;
        };
        let settings = self.accepted(section, &method, entry.normalise(&settings))?;
        let teacher = self.model(section, "teacher", teacher?)?;
        Some(Work::Distill {
            teacher,
            method,
            settings,
            label_weight,
            teacher_weight,
        })
    }

    fn standing(&self, model: &str) -> Option<&Standing<'_>> {
        self.known.models.get(model)?.as_ref()
    }

    fn opened(&self, data: &str) -> Option<&Data> {
        self.known.data.get(data)?.as_ref()
    }

    /// The name, if it is that of a model that could be built; complains of one nobody wrote.
    fn model(&self, section: &Section<'_>, key: &str, name: String) -> Option<String> {
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

    fn data_name(&self, section: &Section<'_>, key: &str, name: String) -> Option<String> {
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

/// The name a step goes by: its own, or that of its verb and its model.
pub fn name_of(verb: &str, body: &Value) -> Option<String> {
    let text = |key: &str| body.get(key)?.as_str();
    let learner = if verb == "distill" {
        "student"
    } else {
        "model"
    };
    match text("name") {
        Some(name) => Some(name.to_owned()),
        None => Some(format!("{verb}-{}", text(learner)?)),
    }
}
