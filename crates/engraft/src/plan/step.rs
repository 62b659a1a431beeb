//! The steps of a plan: verbs with every name resolved and every need checked.

mod fits;
mod repair;
mod resolve;
mod work;

use engraft_continual::Labels;
use engraft_distill::Weights;
use engraft_train::TrainConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use repair::RepairStep;
pub(super) use resolve::{Known, resolve};

/// One step, by the channel that it works on.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// Weights.
    Model(Box<ModelStep>),
    /// Memory.
    Repair(Box<RepairStep>),
}

impl Step {
    pub fn name(&self) -> &str {
        match self {
            Self::Model(step) => &step.name,
            Self::Repair(step) => &step.name,
        }
    }

    /// The step that works on a model, if it is one.
    pub fn model(&self) -> Option<&ModelStep> {
        match self {
            Self::Model(step) => Some(step),
            Self::Repair(_) => None,
        }
    }
}

/// A model goes in, a model comes out under the step's name.
#[derive(Clone, Debug, Serialize)]
pub struct ModelStep {
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

impl ModelStep {
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

/// The way of teaching where none is named.
pub const PLAIN: &str = "full";

/// The name a step goes by: its own, or that of its verb and its model.
pub fn name_of(verb: &str, body: &Value) -> Option<String> {
    let text = |key: &str| body.get(key)?.as_str();
    let learner = if verb == "distill" {
        "student"
    } else {
        "model"
    };
    match (text("name"), verb) {
        (Some(name), _) => Some(name.to_owned()),
        // Its model is not what it changes.
        (None, repair::VERB) => Some(verb.to_owned()),
        (None, _) => Some(format!("{verb}-{}", text(learner)?)),
    }
}
