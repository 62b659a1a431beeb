//! The step `repair`: issues of repositories, worked on with a memory that grows.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use engraft_agents::{
    batch::Job,
    methods::experepair::{Channels, ExpeRepair},
};
use serde::Serialize;
use serde_json::{Map, Value};

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
const PATIENCE: [&str; 5] = ["llm", "second_llm", "retry_wait", "tries", "answer_time"];
/// Keys that decide how far the work goes, what it costs and who grades it: with others it goes on from where it was.
const FREE: [&str; 8] = [
    "max_cost",
    "max_total_tokens",
    "max_calls",
    "max_time",
    "price",
    "second_price",
    "jobs",
    "grade",
];

/// Issues that an agent works on, oldest first, and remembers.
#[derive(Clone, Debug, Serialize)]
pub struct RepairStep {
    pub name: String,
    #[serde(skip)]
    pub keys: Keys,
    /// All keys with their defaults, as the recipe writes them.
    #[serde(rename = "repair")]
    pub config: Map<String, Value>,
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

    /// The keys that decide the result.
    pub fn decides(&self) -> Map<String, Value> {
        self.without(&PATIENCE)
    }

    /// The keys that decide what is answered, however far it gets.
    pub fn asks(&self) -> Map<String, Value> {
        self.without(&[&PATIENCE[..], &FREE].concat())
    }

    fn without(&self, keys: &[&str]) -> Map<String, Value> {
        let mut config = self.config.clone();
        config.retain(|key, _| !keys.contains(&key.as_str()));
        config
    }
}

impl Resolver<'_> {
    pub(super) fn repair(&self, section: &Section<'_>) -> Option<RepairStep> {
        let name = section.get("name").unwrap_or_else(|| VERB.to_owned());
        let usual = [("memory_seed", Value::from(self.seed))];
        let (keys, mut config) = flags::<Keys>(section, &usual)?;
        if let Some(shown) = keys.store.shown() {
            // Ledgers and reports are shown to others.
            config.insert("store".to_owned(), shown.into());
        }
        let complain = |error: &anyhow::Error| self.complaints.add(&section.place, sentence(error));
        let directory = self.directory;
        let keys = Keys {
            issues: keys.issues.at(directory),
            means: keys.means.at(directory),
            store: keys.store.at(directory),
            settings: keys.settings,
        };
        let store = match keys.settings.memory {
            Channels::None if config.contains_key("store") => Err(anyhow::anyhow!(
                "store: is of no use with `memory: none`; leave it out"
            )),
            _ => keys.store.check().context("store"),
        };
        let settings = keys.settings.effort.check().map_err(anyhow::Error::msg);
        let checked = keys.means.check().into_iter().chain([settings, store]);
        for error in checked.filter_map(Result::err) {
            complain(&error);
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
