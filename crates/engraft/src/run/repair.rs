//! One step on a memory: issues worked on, graded, entered.

use anyhow::Context;
use engraft_agents::Task;
use engraft_memory::Filter;
use engraft_probe::{Entry, Measurement, ledger::Artifact, measurement::Unit};
use engraft_train::Curve;
use serde_json::json;

use super::{Session, StepResult, place};
use crate::{
    agents::{contest::Issue, memory::StoreFlags},
    machine,
    plan::RepairStep,
    say::note,
};

impl Session<'_> {
    /// Works on the issues of a step, from where an earlier run stopped, or finds them finished.
    pub(super) fn repair(&self, step: &RepairStep) -> anyhow::Result<StepResult> {
        let issues = &step.keys.issues;
        let tasks = std::fs::read(&issues.tasks)
            .with_context(|| format!("cannot read {}", issues.tasks.display()))?;
        let tasks = blake3::hash(&tasks).to_hex().to_string();
        let key = blake3::Hasher::new()
            .update(env!("CARGO_PKG_VERSION").as_bytes())
            .update(step.name.as_bytes())
            .update(&serde_json::to_vec(&step.decides())?)
            .update(tasks.as_bytes())
            .finalize()
            .to_hex()
            .to_string();
        let folder = place::steps(&self.plan.out).join(&step.name);
        if let Some(done) = StepResult::read(&folder, &key) {
            note(&format!("{}: finished before, skipped", step.name));
            return Ok(done);
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let memory = step.keys.store.or(&folder.join("memory.db"));
        let settings = &step.keys.settings;
        let store = memory.shared(settings.memory)?;
        let ready = step.keys.means.ready(&self.stop)?;
        let batch = ready.batch(&folder, store.as_ref(), settings, issues.jobs);
        let done = batch.run(&step.jobs, &|task: &Task, stage: &str| {
            note(&format!("{}: {}: {stage}", step.name, task.id));
        })?;
        if let Some(stopped) = ready.stopped(&done, &step.jobs) {
            return Err(stopped.into());
        }
        let resolved = match done.iter().any(|one| one.result.is_err()) {
            true => None,
            false => issues.resolved(&folder, &step.directory)?,
        };
        let issues = Issue::all(done, resolved.as_ref())
            .context("an issue failed; run it again to try it again")?;
        drop(store);
        let data = Artifact {
            role: "data".to_owned(),
            name: step.keys.issues.tasks.display().to_string(),
            hash: tasks,
        };
        let entry = Entry {
            version: 1,
            id: key.clone(),
            time: machine::now(),
            run: self.plan.name.clone(),
            step: step.name.clone(),
            verb: "repair".to_owned(),
            what: step.what(),
            config: step.config.clone(),
            seed: settings.memory_seed,
            inputs: vec![data],
            output: remembered(step, &memory)?,
            machine: machine::describe(&self.plan.device),
            ..entered(&issues)
        };
        let result = StepResult {
            key,
            entry,
            curve: Curve::default(),
            skipped: false,
        };
        result.write(&folder)?;
        Ok(result)
    }
}

/// What came of the issues, and what they took.
fn entered(issues: &[Issue]) -> Entry {
    let share = |probe: &str, of: &dyn Fn(&Issue) -> Option<bool>| {
        let values: Option<Vec<(usize, f64)>> = issues
            .iter()
            .enumerate()
            .map(|(number, issue)| Some((number, f64::from(u8::from(of(issue)?)))))
            .collect();
        values.map(|values| Measurement::mean(probe, Unit::Share, &values))
    };
    let measurements = [
        share("issues resolved", &|issue| issue.resolved),
        share("issues with a patch that the review accepts", &|issue| {
            Some(issue.accepted)
        }),
        share("issues with a script that shows them", &|issue| {
            Some(issue.shown)
        }),
    ];
    let measurements: Vec<Measurement> = measurements.into_iter().flatten().collect();
    let spent = || issues.iter().map(|issue| issue.spent);
    Entry {
        gain: measurements.first().cloned(),
        measurements,
        tokens: spent()
            .map(|spent| spent.prompt_tokens + spent.completion_tokens)
            .sum(),
        trained_seconds: spent().map(|spent| spent.seconds).sum(),
        report: json!({ "issues": issues }),
        ..Entry::default()
    }
}

/// The memory as it stands after the step, if there is one.
fn remembered(step: &RepairStep, memory: &StoreFlags) -> anyhow::Result<Option<Artifact>> {
    if step.keys.settings.memory == engraft_agents::methods::experepair::Channels::None {
        return Ok(None);
    }
    let items = memory.existing()?.items(&Filter::default())?;
    Ok(Some(Artifact {
        role: "memory".to_owned(),
        name: memory.place()?,
        hash: blake3::hash(&serde_json::to_vec(&items)?)
            .to_hex()
            .to_string(),
    }))
}
