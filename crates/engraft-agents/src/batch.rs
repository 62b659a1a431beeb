//! Many issues, one after the other or several at once, with one memory and one budget.

mod args;
mod place;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use args::Args;
use engraft_files::atomic::write_file;

use crate::{
    ChatError, ChatModel, Desk, DeskError, Executor, Record, RecordError, Task,
    chat::meter::{Budget, Meter, Metered, Price, Spent},
    methods::experepair::{
        ExpeRepair, Experience, Repaired, SharedStore, account, repair, spent_before,
    },
    record::as_lines,
    swebench::{Prediction, read_predictions},
    workcopy::WorkCopy,
};

/// What all issues of a run share.
pub struct Batch<'a> {
    /// The folder of the run; see [`crate::record`].
    pub out: &'a Path,
    pub main: (&'a dyn ChatModel, Price),
    pub second: (&'a dyn ChatModel, Price),
    pub executor: &'a dyn Executor,
    pub python: &'a str,
    pub max_tokens: u64,
    pub store: Option<&'a SharedStore>,
    pub settings: &'a ExpeRepair,
    /// Of the whole run.
    pub meter: Arc<Meter>,
    /// Of each issue.
    pub budget: Budget,
    /// Issues at once. With more than one, an issue does not know those that are worked on beside it.
    pub jobs: usize,
    pub stop: Arc<AtomicBool>,
}

/// An issue and the folder that it is about.
#[derive(Clone, Debug)]
pub struct Job {
    pub task: Task,
    pub checkout: PathBuf,
}

/// How an issue went.
pub struct Done {
    pub task: Task,
    pub result: Result<Repaired, DeskError>,
    pub spent: BTreeMap<String, Spent>,
}

impl Batch<'_> {
    /// Works on all issues in the order they are given and hands in a prediction for each that ended. An issue that
    /// fails does not keep the others from being worked on, unless its model does not answer.
    ///
    /// # Errors
    /// If another process works in the folder of the run, or it holds another run, or cannot be written.
    pub fn run(
        &self,
        jobs: &[Job],
        progress: &(dyn Fn(&Task, &str) + Sync),
    ) -> Result<Vec<Done>, RecordError> {
        let _entered = place::enter(self.out)?;
        let args = Args {
            method: "experepair",
            model: self.main.0.name(),
            second_model: self.second.0.name(),
            settings: self.settings,
        };
        args.claim(self.out, jobs)?;
        let before = self.handed_in();
        let next = AtomicUsize::new(0);
        let halted = AtomicBool::new(false);
        let done: Mutex<Vec<(usize, Done)>> = Mutex::default();
        let failed: Mutex<Option<RecordError>> = Mutex::default();
        let work = || {
            while !halted.load(Ordering::Relaxed) && !self.stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else {
                    return;
                };
                let ended = self.one(job, &|stage: &str| progress(&job.task, stage));
                if matches!(&ended.result, Err(error) if halts(error)) {
                    halted.store(true, Ordering::Relaxed);
                }
                let mut all = done.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((index, ended));
                all.sort_by_key(|(index, _)| *index);
                if let Err(error) = self.hand_in(&before, &all) {
                    halted.store(true, Ordering::Relaxed);
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.jobs.clamp(1, jobs.len().max(1)) {
                scope.spawn(work);
            }
            work();
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(done.into_iter().map(|(_, done)| done).collect())
    }

    fn one(&self, job: &Job, progress: &dyn Fn(&str)) -> Done {
        let record = Record::of(self.out, &job.task);
        let meter = spent_before(&record).map(|before| self.meter.part(self.budget, before));
        let (result, spent) = match meter {
            Err(error) => (Err(error.into()), BTreeMap::new()),
            Ok(meter) => {
                let result = self.at_desk(job, &record, &meter, progress);
                let spent = meter.spent();
                let result = result.and_then(|repaired| {
                    let text = account(&job.task, &repaired, &spent);
                    record.write(
                        crate::methods::experepair::stage::VALIDATE,
                        "account.md",
                        &text,
                    )?;
                    Ok(repaired)
                });
                (result, spent)
            }
        };
        Done {
            task: job.task.clone(),
            result,
            spent,
        }
    }

    fn at_desk(
        &self,
        job: &Job,
        record: &Record,
        meter: &Meter,
        progress: &dyn Fn(&str),
    ) -> Result<Repaired, DeskError> {
        let metered = |(model, price)| Metered { model, price };
        let desk = Desk {
            task: &job.task,
            main: metered(self.main),
            second: metered(self.second),
            max_tokens: self.max_tokens,
            meter,
            executor: self.executor,
            copy: WorkCopy::of(&job.checkout)?,
            python: self.python,
            record,
        };
        let experience = Experience {
            store: self.store,
            channels: self.settings.memory,
            seed: self.settings.memory_seed,
            rules: self.settings.effort.insights,
            run: self.out.display().to_string(),
        };
        repair(&desk, self.settings, &experience, progress)
    }

    /// The predictions that earlier runs of this folder have handed in.
    fn handed_in(&self) -> Vec<Prediction> {
        // A file that cannot be read is written anew from what is finished.
        read_predictions(&self.predictions()).unwrap_or_default()
    }

    fn predictions(&self) -> PathBuf {
        self.out.join("preds").join("final_0.jsonl")
    }

    /// Writes the predictions of all issues that ended, as SWE-bench's harness reads them; those of other issues stay.
    fn hand_in(&self, before: &[Prediction], done: &[(usize, Done)]) -> Result<(), RecordError> {
        let name = format!("engraft-experepair-{}", self.main.0.name());
        let other = |prediction: &&Prediction| {
            let mut now = done.iter();
            now.all(|(_, done)| done.task.id != prediction.instance_id)
        };
        let mut rows: Vec<Prediction> = before.iter().filter(other).cloned().collect();
        rows.extend(done.iter().filter_map(|(_, done)| {
            let repaired = done.result.as_ref().ok()?;
            Some(Prediction {
                model_name_or_path: name.clone(),
                instance_id: done.task.id.clone(),
                model_patch: repaired.patch().to_owned(),
            })
        }));
        place::make(&self.out.join("preds"))?;
        Ok(write_file(&self.predictions(), as_lines(&rows).as_bytes())?)
    }
}

/// Whether going on with other issues makes no sense.
fn halts(error: &DeskError) -> bool {
    matches!(
        error,
        DeskError::Chat(ChatError::Failed(_) | ChatError::Stopped)
            | DeskError::Memory(_)
            | DeskError::Record(_)
    )
}
