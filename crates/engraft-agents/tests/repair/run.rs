//! One issue of a small repository, from the folder to the account.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use engraft_agents::{
    ChatModel, ExecuteError, Executor, Outcome, RecordError, Task,
    batch::{Batch, Done, Job},
    chat::meter::{Budget, Meter, Price},
    methods::experepair::{Effort, ExpeRepair, SharedStore},
};
use engraft_memory::SqliteStore;
use tempfile::TempDir;

pub fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A repository whose one function subtracts where it should add.
pub fn adder() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    put(
        place.path(),
        "calc.py",
        "def add(a, b):\n    return a - b\n",
    );
    place
}

pub fn task(id: &str, issue: &str) -> Task {
    Task {
        id: id.to_owned(),
        repository: "owner/calc".to_owned(),
        issue: issue.to_owned(),
        created: None,
    }
}

pub const ISSUE: &str = "add(1, 2) gives -1";

/// Small numbers: what is claimed does not depend on them.
pub fn settings() -> ExpeRepair {
    ExpeRepair {
        effort: Effort {
            scripts: 2,
            candidates: 2,
            rounds: 1,
            differential: 1,
            siblings: 1,
            ..Effort::default()
        },
        ..ExpeRepair::default()
    }
}

/// Runs nothing: prints what the last line of `calc.py` says.
pub struct Prints;

impl Executor for Prints {
    fn run(&self, folder: &Path, _command: &[&str]) -> Result<Outcome, ExecuteError> {
        let program = fs::read_to_string(folder.join("calc.py")).unwrap_or_default();
        Ok(Outcome {
            code: 0,
            stdout: format!("Test 1:\n{}\n", program.lines().last().unwrap_or_default()),
            stderr: String::new(),
            stopped: None,
            took: Duration::ZERO,
        })
    }
}

/// A folder for a run and what is in its memory.
pub struct Bench {
    place: PathBuf,
    /// Removes the place in the end, if it is ours.
    _guard: Option<TempDir>,
    pub settings: ExpeRepair,
    pub stop: Arc<AtomicBool>,
}

impl Bench {
    pub fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let bench = Self::at(guard.path());
        Self {
            _guard: Some(guard),
            ..bench
        }
    }

    /// In a folder that is there already.
    pub fn at(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
            _guard: None,
            settings: settings(),
            stop: Arc::default(),
        }
    }

    pub fn place(&self) -> &Path {
        &self.place
    }

    pub fn out(&self) -> PathBuf {
        self.place.join("out")
    }

    pub fn memory(&self) -> PathBuf {
        self.place.join("memory.db")
    }

    /// Works on issues of one folder.
    pub fn run(
        &self,
        (main, second): (&dyn ChatModel, &dyn ChatModel),
        executor: &dyn Executor,
        jobs: &[Job],
    ) -> Result<Vec<Done>, RecordError> {
        let store = SqliteStore::open(self.memory()).unwrap();
        let store: SharedStore = Mutex::new(Box::new(store));
        self.run_with(&store, (main, second), executor, jobs)
    }

    pub fn run_with(
        &self,
        store: &SharedStore,
        (main, second): (&dyn ChatModel, &dyn ChatModel),
        executor: &dyn Executor,
        jobs: &[Job],
    ) -> Result<Vec<Done>, RecordError> {
        let batch = Batch {
            out: &self.out(),
            main: (main, Price::default()),
            second: (second, Price::default()),
            executor,
            python: "python3",
            max_tokens: 1000,
            store: Some(store),
            settings: &self.settings,
            meter: Arc::new(Meter::new(Budget::default(), BTreeMap::new())),
            budget: Budget::default(),
            jobs: 1,
            stop: self.stop.clone(),
        };
        batch.run(jobs, &|_, _| {})
    }

    /// One issue of a folder with one model in both roles.
    pub fn one(&self, model: &dyn ChatModel, folder: &Path, issue: &str) -> Done {
        let done = self.run((model, model), &Prints, &[job("calc-1", folder, issue)]);
        done.unwrap().pop().unwrap()
    }

    /// The account of an issue.
    pub fn account(&self, id: &str) -> String {
        let path = format!("results/validation/owner__calc/{id}/account.md");
        fs::read_to_string(self.out().join(path)).unwrap_or_default()
    }

    /// The stages that are finished.
    pub fn finished(&self, id: &str) -> Vec<&'static str> {
        let stages = engraft_agents::methods::experepair::stage::ALL;
        let is_there = |stage: &&str| {
            let path = format!("results/{stage}/owner__calc/{id}/stage.json");
            self.out().join(path).exists()
        };
        stages.into_iter().filter(is_there).collect()
    }
}

pub fn job(id: &str, folder: &Path, issue: &str) -> Job {
    Job {
        task: task(id, issue),
        checkout: folder.to_owned(),
    }
}

/// The sentence by which an issue failed.
pub fn sentence(done: &Done) -> String {
    match &done.result {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// What a lock holds, whoever panicked.
pub fn held<T: Clone>(lock: &Mutex<T>) -> T {
    lock.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
