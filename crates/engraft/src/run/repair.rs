//! One step on a memory: issues worked on, graded, entered.

use std::path::Path;

use anyhow::Context;
use engraft_agents::{Task, methods::experepair::Channels};
use engraft_files::write_file;
use engraft_memory::Filter;
use engraft_probe::{Entry, Measurement, ledger::Artifact, measurement::Unit};
use engraft_train::Curve;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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
        let begun = Begun::of(step)?;
        let key = blake3::Hasher::new()
            .update(env!("CARGO_PKG_VERSION").as_bytes())
            .update(step.name.as_bytes())
            .update(&serde_json::to_vec(&step.decides())?)
            .update(begun.tasks.as_bytes())
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
        write_file(&folder.join(BEGUN), &serde_json::to_vec_pretty(&begun)?)?;
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
            false => ready.graded(issues, &folder, &step.directory)?,
        };
        let issues = Issue::all(done, resolved.as_ref())
            .context("an issue failed; run it again to try it again")?;
        drop(store);
        let cut = issues.iter().filter(|issue| issue.ended.is_some()).count();
        if cut > 0 {
            note(&format!(
                "{}: the budget ended {cut} of {} issues; with a larger one the step goes on",
                step.name,
                issues.len()
            ));
        }
        let data = Artifact {
            role: "data".to_owned(),
            name: step.keys.issues.tasks.display().to_string(),
            hash: begun.tasks,
        };
        let entry = Entry {
            version: 1,
            id: key.clone(),
            time: machine::now(),
            run: self.plan.name.clone(),
            step: step.name.clone(),
            verb: "repair".to_owned(),
            what: step.what(),
            config: Value::Object(step.config.clone()),
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
        share("issues that the budget ended", &|issue| {
            Some(issue.ended.is_some())
        })
        .filter(|ended| ended.value > 0.0),
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
    if step.keys.settings.memory == Channels::None {
        return Ok(None);
    }
    let items = memory.existing()?.items(&Filter::default())?;
    // Names and times are those of a run, and another run may come to the same.
    let said = items.iter().map(|item| {
        let content = &item.content;
        let said = (&content.kind, &content.scope, &content.role, &content.text);
        (said, &content.data, content.votes)
    });
    let said: Vec<_> = said.collect();
    Ok(Some(Artifact {
        role: "memory".to_owned(),
        name: memory.shown().unwrap_or_default(),
        hash: blake3::hash(&serde_json::to_vec(&said)?)
            .to_hex()
            .to_string(),
    }))
}

/// The file that says what the answers in a step's folder were given to.
const BEGUN: &str = "begun.json";

/// What a step's answers are answers to.
#[derive(Serialize, Deserialize)]
struct Begun {
    /// The keys that decide them.
    asks: Map<String, Value>,
    /// Hash of the file of issues.
    tasks: String,
}

impl Begun {
    fn of(step: &RepairStep) -> anyhow::Result<Self> {
        let path = &step.keys.issues.tasks;
        let tasks =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            asks: step.asks(),
            tasks: blake3::hash(&tasks).to_hex().to_string(),
        })
    }
}

/// Refuses a step whose folder holds answers to something else, before anything is run.
pub(super) fn check(step: &RepairStep, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(BEGUN);
    let Ok(text) = std::fs::read(&path) else {
        return Ok(());
    };
    let begun: Begun = serde_json::from_slice(&text).with_context(|| {
        let folder = folder.display();
        format!("{} is damaged; move {folder} away", path.display())
    })?;
    let now = Begun::of(step)?;
    let way_out = "give the step another `name`, or the run another folder with --out";
    anyhow::ensure!(
        begun.tasks == now.tasks,
        "step `{}`: {} has changed since {} was begun; {way_out}",
        step.name,
        step.keys.issues.tasks.display(),
        folder.display()
    );
    let mut keys = now.asks.keys().chain(begun.asks.keys());
    let differs = keys.find(|key| now.asks.get(*key) != begun.asks.get(*key));
    let shown = |value: Option<&Value>| value.map_or("not there".to_owned(), Value::to_string);
    match differs {
        None => Ok(()),
        Some(key) => anyhow::bail!(
            "step `{}`: `{key}` was {} when {} was begun and is {} now; give the old value, {way_out}",
            step.name,
            shown(begun.asks.get(key)),
            folder.display(),
            shown(now.asks.get(key))
        ),
    }
}
