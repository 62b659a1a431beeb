//! One step: train, measure before and after, save, enter.

use std::time::Instant;

use anyhow::Context;
use engraft_distill::{Distillation, Run};
use engraft_nets::{Network, content_hash, load_folder, save_folder};
use engraft_probe::{Entry, Measurement, ledger::Artifact};
use engraft_train::{
    BatchSource, CrossEntropy, Loss, RunFiles, Trained, Trainer, data::Replay, memory,
};
use serde_json::Value;

use super::{Session, StepResult, place};
use crate::{
    machine, measure,
    plan::{Data, Step, Work},
    say::note,
};

impl Session<'_> {
    /// Runs a step or finds it finished; returns its result and the model it made.
    pub(super) fn step(&self, step: &Step) -> anyhow::Result<(StepResult, Box<dyn Network>)> {
        let before = &*self.models[&step.model];
        let inputs = self.inputs(step);
        let key = self.key(step, &inputs);
        let folder = place::steps(&self.plan.out).join(&step.name);
        let model = place::models(&self.plan.out).join(&step.name);
        let files = RunFiles::in_folder(&folder, key.clone());
        if let Some(done) = StepResult::read(&folder, &key)
            && let Some(network) = self.finished(&done, &model, before)
        {
            note(&format!("{}: finished before, skipped", step.name));
            // A kill may have come between the result and the end of its checkpoint.
            files.remove_checkpoint()?;
            return Ok((done, network));
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        memory::forget_peak_rss();
        let trained = match step.work {
            Work::Probe => None,
            _ => Some(self.train(step, before, &files)?),
        };
        let network = match &trained {
            Some(trained) => trained.network.detached(),
            None => before.detached(),
        };
        let measured = Instant::now();
        let mut entry = self.entry(step, &key, inputs, before, &*network);
        sound(&entry, &*network)?;
        if trained.is_some() {
            save_folder(&model, &*network, self.plan.tokenizer.as_ref())?;
        }
        entry.measured_seconds = measured.elapsed().as_secs_f64();
        if let Some(trained) = &trained {
            entry.trained_seconds = trained.seconds;
            entry.tokens = trained.tokens;
        }
        entry.peak_memory = memory::peak_rss();
        let curve = trained.map(|trained| trained.curve).unwrap_or_default();
        let result = StepResult {
            key,
            entry,
            curve,
            skipped: false,
        };
        result.write(&folder)?;
        files.remove_checkpoint()?;
        Ok((result, network))
    }

    /// The model of a finished step, if it is still what the step made.
    fn finished(
        &self,
        done: &StepResult,
        folder: &std::path::Path,
        before: &dyn Network,
    ) -> Option<Box<dyn Network>> {
        let Some(output) = &done.entry.output else {
            return Some(before.detached());
        };
        let network = load_folder(folder, &self.plan.device).ok()?.network;
        (content_hash(&*network) == output.hash).then_some(network)
    }

    /// Hash of what decides a step's result: itself, its inputs by content, how texts become tokens,
    /// the device, and this version of us.
    fn key(&self, step: &Step, inputs: &[Artifact]) -> String {
        let mut decides = step.clone();
        // How often a checkpoint is written decides nothing.
        decides.train.checkpoint_every = 0;
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(text.as_bytes()).update(b"\n");
        };
        add(env!("CARGO_PKG_VERSION"));
        add(&serde_json::to_string(&decides).unwrap_or_default());
        add(&format!("{:?}", self.plan.device));
        if let Some(tokenizer) = &self.plan.tokenizer {
            add(&tokenizer.json());
            let ends = (tokenizer.end_of_text(), tokenizer.pad());
            add(&format!("{:?} {ends:?}", tokenizer.start_of_text()));
        }
        for input in inputs {
            add(&format!("{} {}", input.role, input.hash));
            if let Some(model) = self.models.get(&input.name)
                && ["model", "teacher"].contains(&input.role.as_str())
            {
                add(&description(&**model));
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    fn train(
        &self,
        step: &Step,
        before: &dyn Network,
        files: &RunFiles,
    ) -> anyhow::Result<Trained> {
        let source = self.source(step)?;
        let mut loss = self.loss(step)?;
        let held_out =
            self.plan.data[&step.on].held_out(self.plan.tokenizer.as_ref(), &step.train)?;
        let trainer = Trainer {
            held_out: held_out.as_deref(),
            ..Trainer::new(&step.name, &step.train, files, &*self.progress, &self.stop)
        };
        Ok(trainer.run(before.detached(), &mut *loss, &*source, &mut [])?)
    }

    fn source(&self, step: &Step) -> anyhow::Result<Box<dyn BatchSource>> {
        let tokenizer = self.plan.tokenizer.as_ref();
        let new = self.plan.data[&step.on].source(tokenizer, &step.train)?;
        let Work::Learn {
            replay: Some(replay),
            replay_share,
        } = &step.work
        else {
            return Ok(new);
        };
        let old = self.plan.data[replay].source(tokenizer, &step.train)?;
        let padding = tokenizer.map_or(0, engraft_nets::Tokenizer::pad);
        Ok(Box::new(Replay::new(new, old, *replay_share, padding)?))
    }

    fn loss(&self, step: &Step) -> anyhow::Result<Box<dyn Loss>> {
        let Work::Distill {
            teacher,
            method,
            settings,
            ..
        } = &step.work
        else {
            return Ok(Box::new(CrossEntropy));
        };
        let teacher = &*self.models[teacher];
        let entry = engraft_distill::find(method).context("the plan found this method")?;
        let run = Run {
            steps: step.train.steps,
            student: self.models[&step.model].capabilities(),
            teacher: teacher.capabilities(),
            samples: self.plan.data[&step.on].samples(),
            seed: step.train.seed,
        };
        let objective = entry
            .objective(settings, &run)
            .map_err(anyhow::Error::msg)?;
        Ok(Box::new(Distillation::new(
            teacher,
            objective,
            step.weights(),
        )))
    }

    /// Everything that goes into a step, by content.
    fn inputs(&self, step: &Step) -> Vec<Artifact> {
        let model = |role: &str, name: &String| Artifact {
            role: role.to_owned(),
            name: name.clone(),
            hash: content_hash(&*self.models[name]),
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
            Work::Learn {
                replay: Some(replay),
                ..
            } => inputs.push(data("replay", replay)),
            _ => {}
        }
        inputs
    }

    fn entry(
        &self,
        step: &Step,
        key: &str,
        inputs: Vec<Artifact>,
        before: &dyn Network,
        after: &dyn Network,
    ) -> Entry {
        let tokenizer = self.plan.tokenizer.as_ref();
        let data = &self.plan.data[&step.on];
        let found = |name: &str, network: &dyn Network| {
            measure::knowledge(name, &self.plan.data[name], tokenizer, network)
        };
        let learned = found(&step.on, after);
        let mut measurements = learned.clone();
        let mut kept = None;
        let mut kept_before = None;
        for name in &step.keep {
            let now = found(name, after);
            if kept.is_none() {
                kept = measure::headline(&now);
                kept_before = measure::headline(&found(name, before));
            }
            measurements.extend(now);
        }
        let others: Vec<&Data> = step.keep.iter().map(|name| &self.plan.data[name]).collect();
        let is_probe = matches!(step.work, Work::Probe);
        let spill = match is_probe {
            true => None,
            false => measure::spilled(data, &others, tokenizer, before, after),
        };
        measurements.extend(spill.clone());
        Entry {
            version: 1,
            id: key.to_owned(),
            time: machine::now(),
            run: self.plan.name.clone(),
            step: step.name.clone(),
            verb: step.verb.to_owned(),
            what: step.what(),
            config: serde_json::to_value(step).unwrap_or_default(),
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
            spill,
            measurements: dedup(measurements),
            bits: measure::bits(data, tokenizer, after),
            parameters: after.parameter_count() as u64,
            machine: machine::describe(&self.plan.device),
            ..Entry::default()
        }
    }
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
fn description(network: &dyn Network) -> String {
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
