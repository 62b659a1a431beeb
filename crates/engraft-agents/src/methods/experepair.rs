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
mod settings;
mod siblings;
mod summarise;
mod validate;
mod vote;

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use account::{account, table};
pub use candidate::{Candidate, Ran};
pub use generate::Generated;
pub use localise::Localised;
pub use recall::{Attempts, Experience, SharedStore};
pub use reproduce::Reproduced;
pub use settings::{Channels, Effort, ExpeRepair, Selection};
pub use validate::Validated;

use crate::{Desk, DeskError};

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
            match settings.effort.selection {
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
