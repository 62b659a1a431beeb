//! One step on a model: train, measure before and after, save, enter.

use std::{path::Path, time::Instant};

use anyhow::Context;
use engraft_nets::{
    ChatTemplate, Network, content_hash, linear::merge, load_adapter, load_folder, save_adapter,
    save_folder,
};
use engraft_probe::{Entry, Measurement, ledger::Artifact, measurement::Unit};
use engraft_train::{RunFiles, data::Fact, memory};
use serde_json::Value;

use super::{Known, Session, StepResult, make::Made, place};
use crate::{
    machine, measure,
    plan::{Data, ModelStep, Output, Save, Step, Work},
    say::note,
};

impl Session<'_> {
    /// Runs a step or finds it finished; the model it made is then known under its name.
    pub(super) fn step(&mut self, step: &ModelStep) -> anyhow::Result<StepResult> {
        let inputs = self.inputs(step);
        let key = self.key(step, &inputs);
        let folder = place::steps(&self.plan.out).join(&step.name);
        let model = place::models(&self.plan.out).join(&step.name);
        let files = RunFiles {
            keep_end: step.output.max_loss.is_some(),
            ..RunFiles::in_folder(&folder, key.clone())
        };
        if let Some(done) = StepResult::read(&folder, &key)
            && self.finished(step, &done, &model)
        {
            within(step, &done.entry)?;
            note(&format!("{}: finished before, skipped", step.name));
            // A kill may have come between the result and the end of its checkpoint.
            files.remove_checkpoint()?;
            return Ok(done);
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        for name in step.needs() {
            self.ensure(name)?;
        }
        memory::forget_peak_rss();
        let made = self.make(step, &files)?;
        for warning in &made.warnings {
            note(&format!("{}: {warning}", step.name));
        }
        let measured = Instant::now();
        let mut entry = self.entry(step, &key, inputs, &made)?;
        sound(&entry, &*made.network)?;
        within(step, &entry)?;
        self.save(step, &made, &model)?;
        entry.measured_seconds = measured.elapsed().as_secs_f64();
        entry.trained_parameters = made.trained_parameters;
        entry.trained_seconds = made.seconds;
        entry.tokens = made.tokens;
        entry.peak_memory = memory::peak_rss();
        let result = StepResult {
            key,
            entry,
            curve: made.curve,
            skipped: false,
        };
        result.write(&folder)?;
        files.remove_checkpoint()?;
        if let Some(output) = &result.entry.output {
            self.know(step, &output.hash);
            self.models.insert(step.name.clone(), made.network);
        }
        Ok(result)
    }

    /// Whether a finished step still stands: its model is what it made, or was never to be stored.
    fn finished(&mut self, step: &ModelStep, done: &StepResult, folder: &Path) -> bool {
        let Some(output) = &done.entry.output else {
            return true;
        };
        let network = match step.output.save {
            Save::Nothing => None,
            Save::Merged => match load_folder(folder, &self.plan.device) {
                Ok(loaded) => Some(loaded.network),
                Err(_) => return false,
            },
            Save::Adapter => {
                let Some(base) = self.models.get(&step.model) else {
                    return false;
                };
                let mut network = base.detached();
                if load_adapter(folder, &mut *network).is_err() {
                    return false;
                }
                merge(&mut *network);
                Some(network)
            }
        };
        if let Some(network) = network {
            if content_hash(&*network) != output.hash {
                return false;
            }
            self.models.insert(step.name.clone(), network);
        }
        self.know(step, &output.hash);
        true
    }

    /// From now on the hash and the description of a step's model are known, wherever it is.
    fn know(&mut self, step: &ModelStep, hash: &str) {
        let description = self.known[&step.model].description.clone();
        let known = Known {
            hash: hash.to_owned(),
            description,
        };
        self.known.insert(step.name.clone(), known);
    }

    /// Makes the model of an earlier step again, if it was not stored.
    fn ensure(&mut self, name: &str) -> anyhow::Result<()> {
        if self.models.contains_key(name) {
            return Ok(());
        }
        let steps = self.plan.steps.iter().filter_map(Step::model);
        let step = steps.rev().find(|step| step.name == name);
        let step = step.with_context(|| format!("no step makes `{name}`"))?;
        for name in step.needs() {
            self.ensure(name)?;
        }
        note(&format!("{name}: was not stored, made again"));
        let made = self.make(step, &RunFiles::none())?;
        anyhow::ensure!(
            content_hash(&*made.network) == self.known[name].hash,
            "`{name}` did not come out as it did before (another machine?); remove its folder under \
             {} and those of the steps made from it, and run again",
            place::steps(&self.plan.out).display()
        );
        self.models.insert(name.to_owned(), made.network);
        Ok(())
    }

    /// Hash of what decides a step's result: itself, its inputs by content, how texts become tokens,
    /// the device, and this version of us.
    fn key(&self, step: &ModelStep, inputs: &[Artifact]) -> String {
        let mut decides = step.clone();
        // How often a checkpoint is written decides nothing.
        decides.train.checkpoint_every = 0;
        // Nor does what becomes of the model.
        decides.output = Output::default();
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(text.as_bytes()).update(b"\n");
        };
        add(env!("CARGO_PKG_VERSION"));
        add(&serde_json::to_string(&decides).unwrap_or_default());
        add(&format!("{:?}", self.plan.device));
        if let Some(tokenizer) = &self.plan.tokenizer {
            add(&tokenizer.json());
            add(tokenizer.chat().map_or("", ChatTemplate::source));
            let ends = (tokenizer.end_of_text(), tokenizer.pad());
            add(&format!("{:?} {ends:?}", tokenizer.start_of_text()));
        }
        for input in inputs {
            add(&format!("{} {}", input.role, input.hash));
            if let Some(known) = self.known.get(&input.name)
                && ["model", "teacher", "base"].contains(&input.role.as_str())
            {
                add(&known.description);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Everything that goes into a step, by content.
    fn inputs(&self, step: &ModelStep) -> Vec<Artifact> {
        let model = |role: &str, name: &String| Artifact {
            role: role.to_owned(),
            name: name.clone(),
            hash: self.known[name].hash.clone(),
        };
        let data = |role: &str, name: &String| Artifact {
            role: role.to_owned(),
            name: name.clone(),
            hash: self.plan.data[name].fingerprint(),
        };
        let mut inputs = vec![model("model", &step.model), data("data", &step.on)];
        inputs.extend(step.keep.iter().map(|name| data("kept", name)));
        match &step.work {
            Work::Distill { teacher, .. } => inputs.push(model("teacher", teacher)),
            Work::Prune { base, .. } => inputs.push(model("base", base)),
            Work::Learn {
                replay, calibrate, ..
            } => {
                inputs.extend(replay.iter().map(|name| data("replay", name)));
                inputs.extend(calibrate.iter().map(|name| data("calibration", name)));
            }
            Work::Probe => {}
        }
        inputs
    }

    fn entry(
        &self,
        step: &ModelStep,
        key: &str,
        inputs: Vec<Artifact>,
        made: &Made,
    ) -> anyhow::Result<Entry> {
        let tokenizer = self.plan.tokenizer.as_ref();
        let data = &self.plan.data[&step.on];
        let after = &*made.network;
        let found = |name: &str| measure::knowledge(name, &self.plan.data[name], tokenizer, after);
        let learned = found(&step.on);
        let mut measurements = learned.clone();
        let mut before = Vec::new();
        if matches!(data, Data::Facts { .. }) {
            before.extend(self.before(step, &step.on));
        }
        let (mut kept, mut kept_before, mut lost) = (None, None, None);
        for name in &step.keep {
            let (now, then) = (found(name), self.before(step, name));
            if kept.is_none() {
                kept = measure::headline(&now);
                kept_before = measure::headline(&then);
            }
            for (now, then) in now.iter().zip(&then) {
                let found = loss(then, now);
                if found.as_ref().map(|found| found.value)
                    > lost.as_ref().map(|most: &Measurement| most.value)
                {
                    lost = found;
                }
            }
            measurements.extend(now);
            before.extend(then);
        }
        let others: Vec<&Data> = step.keep.iter().map(|name| &self.plan.data[name]).collect();
        let is_probe = matches!(step.work, Work::Probe);
        let (spills, single) = match (is_probe, data) {
            (true, _) => (Vec::new(), Value::Null),
            (false, Data::Facts { facts, context, .. }) => {
                let then = self.said_before(step, facts, *context);
                let now = measure::said(facts, *context, tokenizer, after);
                measure::primed(facts, *context, tokenizer, [&then, &now])
            }
            (false, data) => {
                let before = &*self.models[step.origin()];
                let found = measure::spilled(data, &others, tokenizer, before, after);
                (found.into_iter().collect(), Value::Null)
            }
        };
        measurements.extend(spills.iter().cloned());
        let mut report = made.report.clone();
        if !single.is_null() {
            report["spill"] = single;
        }
        Ok(Entry {
            version: 1,
            id: key.to_owned(),
            time: machine::now(),
            run: self.plan.name.clone(),
            step: step.name.clone(),
            verb: step.verb.to_owned(),
            what: step.what(),
            config: serde_json::to_value(step)?,
            seed: step.train.seed,
            inputs,
            output: (!is_probe).then(|| Artifact {
                role: "model".to_owned(),
                name: step.name.clone(),
                hash: content_hash(after),
            }),
            gain: measure::headline(&learned),
            kept,
            kept_before,
            lost,
            spill: spills.into_iter().next(),
            measurements: dedup(measurements),
            before: dedup(before),
            report,
            bits: measure::bits(data, tokenizer, after),
            parameters: after.parameter_count() as u64,
            machine: machine::describe(&self.plan.device),
            ..Entry::default()
        })
    }

    /// What the model that a step started from knew of some data; measured once a run.
    fn before(&self, step: &ModelStep, data: &str) -> Vec<Measurement> {
        let origin = step.origin();
        let place = (self.known[origin].hash.clone(), data.to_owned());
        let mut measured = self.measured.borrow_mut();
        let found = measured.entry(place).or_insert_with(|| {
            let tokenizer = self.plan.tokenizer.as_ref();
            measure::knowledge(
                data,
                &self.plan.data[data],
                tokenizer,
                &*self.models[origin],
            )
        });
        found.clone()
    }

    /// What the model that a step started from said where the facts do not belong; asked once a run.
    fn said_before(&self, step: &ModelStep, facts: &[Fact], context: usize) -> measure::Said {
        let origin = step.origin();
        let place = (self.known[origin].hash.clone(), step.on.clone());
        let mut said = self.said.borrow_mut();
        let found = said.entry(place).or_insert_with(|| {
            let tokenizer = self.plan.tokenizer.as_ref();
            measure::said(facts, context, tokenizer, &*self.models[origin])
        });
        found.clone()
    }

    fn save(&self, step: &ModelStep, made: &Made, place: &Path) -> anyhow::Result<()> {
        if matches!(step.work, Work::Probe) {
            return Ok(());
        }
        match step.output.save {
            Save::Nothing => {}
            Save::Merged => save_folder(place, &*made.network, self.plan.tokenizer.as_ref())?,
            Save::Adapter => {
                let adapted = made
                    .adapted
                    .as_deref()
                    .context("the plan checked that there is one")?;
                let base = self.plan.models.get(&step.model);
                let base = base.map_or(step.model.as_str(), |model| model.origin.as_str());
                save_adapter(place, adapted, base)?;
            }
        }
        Ok(())
    }
}

/// What a model lost of a probe in nats, where that can be said.
fn loss(before: &Measurement, after: &Measurement) -> Option<Measurement> {
    let value = match before.unit {
        Unit::Perplexity => (after.value / before.value).ln(),
        Unit::Nats => before.value - after.value,
        _ => return None,
    };
    Some(Measurement {
        value,
        unit: Unit::Nats,
        interval: None,
        ..before.clone()
    })
}

/// Refuses a model that lost more of what it was to keep than the user allows.
fn within(step: &ModelStep, entry: &Entry) -> anyhow::Result<()> {
    let Some(limit) = step.output.max_loss.filter(|_| !step.output.force) else {
        return Ok(());
    };
    let Some(lost) = entry.lost.as_ref().filter(|lost| lost.value > limit) else {
        return Ok(());
    };
    let shown = |all: &[Measurement]| {
        let found = all.iter().find(|found| found.probe == lost.probe);
        found.map_or_else(String::new, Measurement::shown)
    };
    anyhow::bail!(
        "the taught model lost {:.3} nats of `{}` ({} before, {} after), more than `max_loss` {limit}; \
         it was not saved: teach it less (`steps`, `lr`), by another method or with `replay`, raise \
         `max_loss`, or save it all the same with `force`",
        lost.value,
        lost.probe,
        shown(&entry.before),
        shown(&entry.measurements)
    )
}

/// Refuses a model that training has broken: nothing of it is written.
fn sound(entry: &Entry, network: &dyn Network) -> anyhow::Result<()> {
    const WAY_OUT: &str = "the training diverged; lower `lr`, lengthen `warmup` or set `clip`";
    for parameter in network.parameters() {
        let broken = parameter.value.to_vec().iter().any(|n| !n.is_finite());
        anyhow::ensure!(
            !broken,
            "the weights `{}` are no longer finite after the last step; {WAY_OUT}",
            parameter.name
        );
    }
    for found in &entry.measurements {
        anyhow::ensure!(
            found.value.is_finite(),
            "`{}` is {} after the last step; {WAY_OUT}",
            found.probe,
            found.value
        );
    }
    Ok(())
}

/// A probe counts once, however many ways led to it.
fn dedup(measurements: Vec<Measurement>) -> Vec<Measurement> {
    let mut kept: Vec<Measurement> = Vec::new();
    for found in measurements {
        if kept.iter().all(|known| known.probe != found.probe) {
            kept.push(found);
        }
    }
    kept
}

/// What a network is besides its numbers, in the same order wherever it comes from. The ids of special
/// tokens are the tokenizer's.
pub(super) fn description(network: &dyn Network) -> String {
    let mut lines: Vec<String> = match network.config() {
        Value::Object(config) => config
            .into_iter()
            .filter(|(key, _)| !key.ends_with("_token_id"))
            .map(|(key, value)| format!("{key} {value}"))
            .collect(),
        other => vec![other.to_string()],
    };
    lines.sort_unstable();
    lines.join("\n")
}
