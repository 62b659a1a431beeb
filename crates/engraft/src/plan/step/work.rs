//! What a step does, by its verb: methods and their settings, and what becomes of the model.

use engraft_continual::{TeachEntry, methods, prunings};
use engraft_method::suggest::hint;
use serde_json::Value;

use super::{ModelStep, Output, PLAIN, Work, resolve::Resolver};
use crate::recipe::Section;

impl Resolver<'_> {
    pub(super) fn work(&self, verb: &str, section: &Section<'_>) -> Option<Work> {
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

    pub(super) fn prune(&self, section: &Section<'_>, taught: Option<&ModelStep>) -> Option<Work> {
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

    pub(super) fn output(&self, section: &Section<'_>) -> Option<Output> {
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
}
