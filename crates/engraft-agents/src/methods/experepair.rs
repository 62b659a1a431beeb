//! ExpeRepair — repair issues of a repository, and get better with every issue.
//!
//! # What it does
//! Given an issue and a repository, a tester writes and runs a script that shows the issue, a localiser finds the
//! places that matter, a coder writes patches, tries them on the script and mends them; what passes gets
//! siblings, is run on more scripts and is ranked, or voted on. Every attempt is remembered: as an episode, from which
//! pairs of a wrong and a right attempt are shown to later attempts like it, and as short rules with votes.
//!
//! # When to use it, when not
//! With a chat model that can write code, and issues that a script without network can show. The memory pays
//! where issues of a repository resemble each other. Only Python gets skeletons and a syntax check; other
//! files are shown and changed as text. Small local models cannot do this task.
//!
//! # How
//! `output ~ LLM(compose(task, demonstration, insights), issue and code, feedback of the last attempt)`.
//! Demonstrations are found by BM25 over fields of the failing attempt, normalised and summed:
//! 0.6 issue + 0.4 script before the first result, 0.9 result + 0.1 script after it, 0.7 issue + 0.3 patch for patches;
//! the best 10, one of an issue, the first is shown. Insights are one list a role (tester, coder) of at most 15
//! rules; each starts with 2 votes, is agreed with (+1), edited (+1) or spoken against (−1), and goes at 0.
//!
//! `selection` says who chooses among the patches. The panel is the second model: it names the right outputs of the
//! script, then ranks the patches once for each further script. The vote is that of Agentless and asks no model: of
//! the patches that repair the issue by the script, or of all if none does, the one that was written most often,
//! at a tie the earliest. Programs that differ in comments, docstrings and layout are one, a patch that changes
//! nothing else comes last, and siblings vote too. Nothing but the panel needs the further scripts, so the vote has
//! none.
//!
//! # Where paper and code differ and which we follow
//! The released code (v1.0) has no insights and shows demonstrations only from the second patch on; the paper
//! has both channels and composes every prompt anew, and so does this. Siblings are rewritten in a fresh
//! conversation each, a review that contradicts itself counts its best among the correct ones, a patch that a
//! ranking leaves out ranks behind it, and a repair is never shown an issue that was created later: the
//! code differs in all four. The paper has no vote, and Agentless no siblings; its vote asks regression tests
//! too, and there are none here. The localiser does not see the script's result, as in the code. The summariser
//! is ours: none was published.
//!
//! # Evidence
//! Parity with the official code: `parity/experepair`, 31 kinds, and `parity/agent-baselines` for the vote. What
//! memory changes, on repositories with seeded bugs and on SmolLM2: `docs/evidence.md`.
//!
//! # Reference
//! Mu et al. ExpeRepair: Dual-Memory Enhanced LLM-based Repository-Level Program Repair. FSE 2026,
//! arXiv 2506.10484; code ExpeRepair/ExpeRepair, folder ExpeRepair-v1.0. The counters are those of ExpeL (Zhao et
//! al. 2024), the vote is that of Agentless (Xia et al. 2024, arXiv 2407.01489; code OpenAutoCoder/Agentless).

mod account;
mod candidate;
mod differential;
mod generate;
mod localise;
mod places;
mod recall;
mod reproduce;
mod script;
mod siblings;
mod summarise;
mod validate;
mod vote;

use std::{fmt, time::Instant};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

pub use account::{account, table};
pub use candidate::{Candidate, Ran};
pub use generate::Generated;
pub use localise::Localised;
pub use recall::{Attempts, Experience, SharedStore};
pub use reproduce::Reproduced;
pub use validate::Validated;

use crate::{Desk, DeskError};

/// Settings of `experepair`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct ExpeRepair {
    /// What is shown of earlier issues.
    #[arg(long, value_enum, default_value_t = Self::default().memory)]
    pub memory: Channels,
    /// Attempts at the script that shows the issue.
    #[arg(long, default_value_t = Self::default().scripts)]
    pub scripts: usize,
    /// Patches of the first round, and how many are mended in each later one.
    #[arg(long, default_value_t = Self::default().candidates)]
    pub candidates: usize,
    /// Rounds of mending.
    #[arg(long, default_value_t = Self::default().rounds)]
    pub rounds: usize,
    /// How the patch is chosen: by reviews, or as the repair that was written most often.
    #[arg(long, value_enum, default_value_t = Self::default().selection)]
    pub selection: Selection,
    /// Scripts with other inputs that the panel compares patches on.
    #[arg(long, default_value_t = Self::default().differential)]
    pub differential: usize,
    /// Pieces of advice for each way (completer, simpler) to write a sibling of a correct patch; 0 writes none.
    #[arg(long, default_value_t = Self::default().siblings)]
    pub siblings: usize,
    /// Temperature of all samples but the first.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f64,
    /// Most rules a role.
    #[arg(long, default_value_t = Self::default().insights)]
    pub insights: usize,
    /// Draws the demonstration of `--memory random`.
    #[arg(long, default_value_t = Self::default().memory_seed)]
    pub memory_seed: u64,
}

impl Default for ExpeRepair {
    fn default() -> Self {
        Self {
            memory: Channels::Both,
            scripts: 4,
            candidates: 4,
            rounds: 3,
            selection: Selection::Panel,
            differential: 3,
            siblings: 3,
            temperature: 0.8,
            insights: 15,
            memory_seed: 0,
        }
    }
}

impl ExpeRepair {
    /// Whether settings that parsed also make sense; one sentence if not.
    pub fn check(&self) -> Result<(), String> {
        for (name, value, most) in [
            ("scripts", self.scripts, 100),
            ("candidates", self.candidates, 100),
            ("insights", self.insights, 100),
        ] {
            if value == 0 || value > most {
                return Err(format!("{name} is {value}; it takes 1 to {most}"));
            }
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return Err(format!(
                "temperature is {}; it takes 0 to 2",
                self.temperature
            ));
        }
        Ok(())
    }

    /// The temperature of a sample.
    fn temperature_of(&self, sample: usize) -> f64 {
        if sample == 0 { 0.0 } else { self.temperature }
    }
}

/// Which memory is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Nothing.
    None,
    /// A demonstration drawn at random: what any demonstration does, whatever it shows.
    Random,
    /// Demonstrations that fit the attempt.
    Episodic,
    /// The rules.
    Semantic,
    /// Demonstrations that fit, and the rules.
    Both,
}

impl Channels {
    /// As flags and recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Random => "random",
            Self::Episodic => "episodic",
            Self::Semantic => "semantic",
            Self::Both => "both",
        }
    }

    fn demonstrations(self) -> bool {
        matches!(self, Self::Random | Self::Episodic | Self::Both)
    }

    fn rules(self) -> bool {
        matches!(self, Self::Semantic | Self::Both)
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who chooses the patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The second model, by what scripts print with each patch.
    Panel,
    /// No model: the repair that was written most often.
    Vote,
}

impl Selection {
    /// As flags and recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panel => "panel",
            Self::Vote => "vote",
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The stages of an issue, in order; their names are those of folders and accounts.
pub mod stage {
    pub const REPRODUCE: &str = "reproduce";
    pub const LOCALIZE: &str = "localize";
    pub const GENERATE: &str = "generate";
    pub const VALIDATE: &str = "validation";
    pub const SUMMARISE: &str = "summarise";
    pub const ALL: [&str; 5] = [REPRODUCE, LOCALIZE, GENERATE, VALIDATE, SUMMARISE];
}

/// What came of an issue.
#[derive(Clone, Debug)]
pub struct Repaired {
    pub reproduced: Reproduced,
    pub localised: Localised,
    pub generated: Generated,
    pub validated: Validated,
    /// What ended the work early, if something did.
    pub ended: Option<String>,
}

impl Repaired {
    /// The patch that is handed in, empty if there is none.
    pub fn patch(&self) -> &str {
        self.validated.ranked.first().map_or("", String::as_str)
    }
}

/// Works on one issue, from where an earlier run stopped.
///
/// A spent budget ends it early: then the best patch so far is the result, and `ended` says so. Nothing of the
/// unfinished stage is taken as finished, so that a run with a larger budget goes on.
///
/// # Errors
/// If a model, the executor, the memory or the disk fails. Finished stages are kept.
pub fn repair(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    progress: &dyn Fn(&str),
) -> Result<Repaired, DeskError> {
    let mut ended = None;
    let mut reproduced = Reproduced::default();
    let mut localised = Localised::default();
    let mut generated = Generated::default();
    let mut validated = Validated::default();
    let mut work = || -> Result<(), DeskError> {
        staged(desk, stage::REPRODUCE, progress, &mut reproduced, |made| {
            reproduce::reproduce(desk, settings, experience, made)
        })?;
        experience.remember_tests(desk.task, &reproduced.attempts)?;
        staged(desk, stage::LOCALIZE, progress, &mut localised, |made| {
            localise::localise(desk, made)
        })?;
        staged(desk, stage::GENERATE, progress, &mut generated, |made| {
            generate::generate(desk, settings, experience, (&reproduced, &localised), made)
        })?;
        experience.remember_patches(desk.task, &reproduced.attempts, &generated.attempts)?;
        staged(desk, stage::VALIDATE, progress, &mut validated, |made| {
            let pool = &generated.pool;
            match settings.selection {
                Selection::Panel => validate::validate(desk, &reproduced, pool, made),
                Selection::Vote => vote::vote(desk, pool, made),
            }
        })
    };
    match work() {
        Ok(()) => {}
        Err(error) if error.is_budget() => ended = Some(error.to_string()),
        Err(error) => return Err(error),
    }
    if validated.ranked.is_empty() {
        validated.ranked = validate::without_ranking(&generated.pool);
    }
    if ended.is_none() && experience.learns_rules() {
        let mut learnt = summarise::Learnt::default();
        let learning = staged(desk, stage::SUMMARISE, progress, &mut learnt, |made| {
            summarise::summarise(desk, settings, experience, &reproduced, &generated, made)
        });
        match learning {
            Ok(()) => {}
            Err(error) if error.is_budget() => ended = Some(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(Repaired {
        reproduced,
        localised,
        generated,
        validated,
        ended,
    })
}

/// What is kept of a finished stage.
#[derive(Serialize, Deserialize)]
struct Finished<T> {
    made: T,
    spent: crate::chat::meter::Spent,
}

/// Does a stage, or takes what it left. What an interrupted stage has made stays in `made`.
fn staged<T: Serialize + serde::de::DeserializeOwned>(
    desk: &Desk<'_>,
    stage: &str,
    progress: &dyn Fn(&str),
    made: &mut T,
    work: impl FnOnce(&mut T) -> Result<(), DeskError>,
) -> Result<(), DeskError> {
    if let Some(finished) = desk.record.finished::<Finished<T>>(stage)? {
        *made = finished.made;
        return Ok(());
    }
    progress(stage);
    let started = Instant::now();
    let worked = work(made);
    desk.meter.took(stage, started.elapsed());
    worked?;
    let spent = desk.meter.spent().get(stage).copied().unwrap_or_default();
    desk.record.finish(
        stage,
        &serde_json::json!({ "made": &*made, "spent": spent }),
    )?;
    Ok(())
}

/// What the finished stages of an issue have spent, for a meter that goes on.
pub fn spent_before(
    record: &crate::Record,
) -> Result<std::collections::BTreeMap<String, crate::chat::meter::Spent>, crate::RecordError> {
    let mut before = std::collections::BTreeMap::new();
    for stage in stage::ALL {
        if let Some(finished) = record.finished::<Finished<serde_json::Value>>(stage)? {
            before.insert(stage.to_owned(), finished.spent);
        }
    }
    Ok(before)
}
