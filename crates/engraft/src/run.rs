//! Running a plan: step by step, finished steps skipped, every step measured and entered.

mod make;
pub mod place;
mod repair;
mod result;
mod step;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use engraft_nets::{Network, content_hash};
use engraft_probe::{Entry, Ledger, Measurement};
use engraft_train::{TrainError, progress};
use indexmap::IndexMap;

pub use result::StepResult;

use crate::{
    measure,
    plan::{Plan, Step},
    recipe::Recipe,
    say::say,
};

/// Where and how to run, from the command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub out: Option<PathBuf>,
    pub device: String,
    pub dry_run: bool,
}

/// What a run left behind.
pub struct Outcome {
    pub out: PathBuf,
    /// A result a step, in order.
    pub results: Vec<StepResult>,
}

impl Outcome {
    /// The ledger entries of the run.
    pub fn entries(&self) -> Vec<Entry> {
        self.results
            .iter()
            .map(|result| result.entry.clone())
            .collect()
    }
}

/// Ctrl-C between two steps, or at an issue.
#[derive(Debug, thiserror::Error)]
#[error("stopped at {at}; run it again to continue there")]
pub struct Stopped {
    pub at: String,
}

/// Whether a run ended because it was told to.
pub fn was_stopped(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Stopped>()
            || matches!(
                cause.downcast_ref::<TrainError>(),
                Some(TrainError::Stopped { .. })
            )
    })
}

/// Everything the steps of one run share.
struct Session<'a> {
    plan: &'a Plan,
    /// Models by name: those of the recipe and those that steps made, as long as a later step needs
    /// them. Plain, ready to measure.
    models: IndexMap<String, Box<dyn Network>>,
    /// What is known of every model, here or not.
    known: IndexMap<String, Known>,
    /// What models knew of data, by the model's hash and the data's name.
    measured: RefCell<BTreeMap<(String, String), Vec<Measurement>>>,
    /// What models said at the places of facts, in the same way.
    said: RefCell<BTreeMap<(String, String), measure::Said>>,
    progress: Box<dyn progress::Progress>,
    stop: Arc<AtomicBool>,
}

/// What identifies a model.
struct Known {
    hash: String,
    /// What it is besides its numbers.
    description: String,
}

/// Resolves a recipe and runs it; prints the ledger and writes the report.
pub fn execute(recipe: &Recipe, options: &Options) -> anyhow::Result<Outcome> {
    if let Some(seeds) = crate::seeds::of(recipe)? {
        return crate::seeds::execute(recipe, &seeds, options);
    }
    let plan = Plan::resolve(recipe, options.out.clone(), &options.device)?;
    place::check(&plan)?;
    if options.dry_run {
        say(&plan.describe());
        return Ok(Outcome {
            out: plan.out,
            results: Vec::new(),
        });
    }
    let outcome = run(&plan)?;
    let entries = outcome.entries();
    say(&format!("\n{}\n", engraft_probe::ledger::show(&entries)));
    let bits = crate::report::bits_table(&entries);
    if !bits.is_empty() {
        say(&format!("{bits}\n"));
    }
    let page = plan.out.join("report.html");
    crate::report::write(&plan, &outcome.results, &page)?;
    for (what, path) in [
        ("models", place::models(&plan.out)),
        ("ledger", plan.out.join("ledger.jsonl")),
        ("report", page),
    ] {
        // A run that made no model has no folder of them.
        if path.exists() {
            say(&format!("{what}   {}\n", path.display()));
        }
    }
    Ok(outcome)
}

/// Runs all steps of a plan.
pub fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    place::check(plan)?;
    let _lock = place::enter(&plan.out)?;
    let mut ledger = Ledger::open(&plan.out.join("ledger.jsonl"))?;
    if ledger.torn {
        tracing::warn!("the last line of the ledger was cut short by a crash and is replaced");
    }
    let models = || plan.models.iter();
    let known = models().map(|(name, model)| {
        let known = Known {
            hash: content_hash(model.network()),
            description: step::description(model.network()),
        };
        (name.clone(), known)
    });
    let mut session = Session {
        plan,
        known: known.collect(),
        models: models()
            .map(|(name, model)| (name.clone(), model.network().detached()))
            .collect(),
        measured: RefCell::default(),
        said: RefCell::default(),
        progress: progress::on_stderr(),
        stop: on_interrupt()?,
    };
    let mut results = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if session.stop.load(Ordering::Relaxed) {
            return Err(Stopped {
                at: format!("the step `{}`", step.name()),
            }
            .into());
        }
        let result = match step {
            Step::Model(step) => session.step(step),
            Step::Repair(step) => session.repair(step),
        };
        let result = result.with_context(|| format!("step `{}`", step.name()))?;
        ledger.append(result.entry.clone())?;
        results.push(result);
        let later = &plan.steps[index + 1..];
        session.models.retain(|name, _| {
            plan.models.contains_key(name)
                || later
                    .iter()
                    .filter_map(Step::model)
                    .any(|step| step.needs().contains(&name.as_str()))
        });
    }
    Ok(Outcome {
        out: plan.out.clone(),
        results,
    })
}

/// The first Ctrl-C stops after a checkpoint, the second at once.
pub(crate) fn on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .context("cannot listen for Ctrl-C")?;
    }
    stop.store(false, Ordering::Relaxed);
    Ok(stop)
}
