//! The step `repair`: issues of repositories, worked on with a memory that grows.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use engraft_agents::{batch::Job, methods::experepair::ExpeRepair};
use serde::Serialize;
use serde_json::Value;

use super::resolve::Resolver;
use crate::{
    agents::{Means, memory::StoreFlags, tasks::Issues},
    recipe::{Section, flags},
    say::sentence,
};

pub(super) const VERB: &str = "repair";

/// Its keys: the flags of `engraft repair --tasks`, and who grades.
#[derive(Args, Clone, Debug)]
pub struct Keys {
    #[command(flatten)]
    pub issues: Issues,
    #[command(flatten)]
    pub means: Means,
    #[command(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    pub settings: ExpeRepair,
}

/// Keys that decide where and how patiently is asked, and nothing of the answers.
const UNDECIDING: [&str; 5] = ["llm", "second_llm", "retry_wait", "tries", "answer_time"];

/// Issues that an agent works on, oldest first, and remembers.
#[derive(Clone, Debug, Serialize)]
pub struct RepairStep {
    pub name: String,
    #[serde(skip)]
    pub keys: Keys,
    /// All keys with their defaults, as the recipe writes them.
    #[serde(rename = "repair")]
    pub config: Value,
    #[serde(skip)]
    pub jobs: Vec<Job>,
    /// The folder of the recipe: where the grader runs.
    #[serde(skip)]
    pub directory: PathBuf,
}

impl RepairStep {
    /// One clause for tables: what was done.
    pub fn what(&self) -> String {
        let settings = &self.keys.settings;
        format!(
            "{} issues of {} by experepair, memory {}, {}",
            self.jobs.len(),
            self.keys.issues.tasks.display(),
            settings.memory,
            self.config["model"].as_str().unwrap_or_default()
        )
    }

    /// What decides the result, of the keys.
    pub fn decides(&self) -> Value {
        let mut config = self.config.clone();
        if let Value::Object(config) = &mut config {
            config.retain(|key, _| !UNDECIDING.contains(&key.as_str()));
        }
        config
    }
}

impl Resolver<'_> {
    pub(super) fn repair(&self, section: &Section<'_>) -> Option<RepairStep> {
        let name = section.get("name").unwrap_or_else(|| VERB.to_owned());
        let usual = [("memory_seed", Value::from(self.seed))];
        let (keys, config) = flags::<Keys>(section, &usual)?;
        let complain = |error: &anyhow::Error| self.complaints.add(&section.place, sentence(error));
        let directory = self.directory;
        let keys = Keys {
            issues: keys.issues.at(directory),
            means: keys.means.at(directory),
            store: keys.store.at(directory),
            settings: keys.settings,
        };
        let checked = [
            keys.settings.effort.check().map_err(anyhow::Error::msg),
            keys.means.check(),
            keys.store.check().context("store"),
        ];
        for error in checked.iter().filter_map(|checked| checked.as_ref().err()) {
            complain(error);
        }
        let jobs = keys
            .issues
            .chosen()
            .map_err(|error| complain(&error))
            .ok()?;
        Some(RepairStep {
            name,
            keys,
            config,
            jobs,
            // The folder of a recipe that was named without one is this one.
            directory: match directory.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => directory.to_owned(),
            },
        })
    }
}
