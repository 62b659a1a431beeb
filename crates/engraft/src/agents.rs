//! Agents as the program offers them: models by address or from here, a place that runs commands, a memory.

pub mod contest;
mod grade;
mod local;
pub mod memory;
pub mod tasks;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf, absolute},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;
use engraft_agents::{
    ChatModel, Executor,
    batch::{Batch, Done, Job},
    chat::{
        meter::{Budget, Meter, Price},
        server::{Patience, Server},
    },
    execute::{Limits, Sandbox, Unsandboxed},
    methods::experepair::{ExpeRepair, SharedStore},
};

use local::Local;
use tasks::Issues;

use crate::{decoding::place, run::Stopped};

/// Who answers.
#[derive(Args, Clone, Debug)]
struct LlmFlags {
    /// An OpenAI-compatible server: http://127.0.0.1:8080/v1. Without one, --model is a model of this machine. The key,
    /// if it wants one, is read from ENGRAFT_LLM_KEY.
    #[arg(long, value_name = "URL")]
    llm: Option<String>,
    /// The model that writes scripts and patches: its name at the server, or a model folder, a GGUF file or the name of
    /// a pulled model.
    #[arg(long, value_name = "NAME")]
    model: String,
    /// The model that judges, reviews and advises [default: the same].
    #[arg(long, value_name = "NAME")]
    second_model: Option<String>,
    /// The server of the second model [default: the same]. Its key: ENGRAFT_SECOND_LLM_KEY.
    #[arg(long, value_name = "URL", requires = "second_model")]
    second_llm: Option<String>,
    /// Dollars a million tokens in and out, as 3/15, for the account.
    #[arg(long, value_name = "IN/OUT", value_parser = Price::parse, default_value = "0/0")]
    price: Price,
    /// The same of the second model [default: the same].
    #[arg(long, value_name = "IN/OUT", value_parser = Price::parse)]
    second_price: Option<Price>,
    /// Most tokens of one answer.
    #[arg(long, default_value_t = 12_288)]
    max_tokens: u64,
    /// Seconds before a request that failed is sent again; they double.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    retry_wait: f64,
    /// How often one request is sent at most.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    /// Seconds that one answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0, value_parser = seconds)]
    answer_time: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|number| (0.0..=86_400.0).contains(number));
    number.ok_or_else(|| "seconds are a number from 0 to 86400".to_owned())
}

/// Both models with their prices.
struct Models {
    main: (Box<dyn ChatModel>, Price),
    second: (Box<dyn ChatModel>, Price),
    max_tokens: u64,
}

impl LlmFlags {
    /// Server and name of the second model.
    fn second(&self) -> (Option<&String>, &String) {
        (
            self.second_llm.as_ref().or(self.llm.as_ref()),
            self.second_model.as_ref().unwrap_or(&self.model),
        )
    }

    /// # Errors
    /// A model of this machine that is not there.
    fn check(&self) -> anyhow::Result<()> {
        let first = ("model", self.llm.as_ref(), Some(&self.model));
        let second = ("second_model", self.second().0, self.second_model.as_ref());
        for (key, url, name) in [first, second] {
            if let (None, Some(name)) = (url, name) {
                let path = place(Path::new(name), key)?;
                anyhow::ensure!(
                    path.exists(),
                    "{key}: {name} is not there; without a server it is a model of this machine"
                );
            }
        }
        Ok(())
    }

    /// Models of this machine from a folder on; what is not there may have been pulled. A server's names are its own.
    fn at(&mut self, folder: &Path) {
        let second_is_here = self.second().0.is_none();
        let first = self.llm.is_none().then_some(&mut self.model);
        let second = self.second_model.as_mut().filter(|_| second_is_here);
        for name in first.into_iter().chain(second) {
            let there = folder.join(&name);
            if there.exists() {
                *name = there.to_string_lossy().into_owned();
            }
        }
    }

    /// # Errors
    /// A model of this machine that is not there or cannot hold a conversation.
    fn models(&self, stop: &Arc<AtomicBool>) -> anyhow::Result<Models> {
        let (second_url, second_name) = self.second();
        let key = |name| std::env::var(name).ok().filter(|key| !key.is_empty());
        let main_key = key("ENGRAFT_LLM_KEY");
        let second_key = key("ENGRAFT_SECOND_LLM_KEY").or_else(|| main_key.clone());
        // A key goes to the server it is meant for, and to no other.
        let second_key = match self.second_llm.is_none() || self.second_llm == self.llm {
            true => second_key,
            false => key("ENGRAFT_SECOND_LLM_KEY"),
        };
        Ok(Models {
            main: (
                self.model(self.llm.as_ref(), &self.model, main_key, stop)?,
                self.price,
            ),
            second: (
                self.model(second_url, second_name, second_key, stop)?,
                self.second_price.unwrap_or(self.price),
            ),
            max_tokens: self.max_tokens,
        })
    }

    fn model(
        &self,
        url: Option<&String>,
        name: &str,
        key: Option<String>,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Box<dyn ChatModel>> {
        Ok(match url {
            None => Box::new(Local::load(name, stop.clone())?),
            Some(url) => Box::new(Server {
                url: url.clone(),
                model: name.to_owned(),
                key,
                patience: Patience {
                    tries: self.tries,
                    first_wait: Duration::from_secs_f64(self.retry_wait),
                    answer: Duration::from_secs_f64(self.answer_time.max(0.001)),
                    ..Patience::default()
                },
                stop: stop.clone(),
            }),
        })
    }
}

/// Where a run ends by itself.
#[derive(Args, Clone, Debug)]
struct BudgetFlags {
    /// End after so many dollars (see --price); the best patch so far is kept.
    #[arg(long, value_name = "DOLLARS")]
    max_cost: Option<f64>,
    /// End after so many tokens, prompts and answers together.
    #[arg(long, value_name = "N")]
    max_total_tokens: Option<u64>,
    /// End after so many requests.
    #[arg(long, value_name = "N")]
    max_calls: Option<u64>,
    /// End after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_time: Option<f64>,
}

impl BudgetFlags {
    fn budget(&self) -> Budget {
        Budget {
            cost: self.max_cost,
            tokens: self.max_total_tokens,
            calls: self.max_calls,
            seconds: self.max_time,
        }
    }
}

/// Where commands run.
#[derive(Args, Clone, Debug)]
struct ExecuteFlags {
    /// The interpreter that runs scripts: a name, or a path such as that of the project's virtual environment.
    #[arg(long, default_value = "python3")]
    python: String,
    /// A folder that scripts may read beside the repository. Repeatable.
    #[arg(long, value_name = "DIR")]
    readable: Vec<PathBuf>,
    /// Seconds that one script may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0, value_parser = seconds)]
    test_time: f64,
    /// Run scripts without a sandbox: they can do what you can do.
    #[arg(long)]
    unsandboxed: bool,
}

impl ExecuteFlags {
    /// # Errors
    /// Without a sandbox, unless that is what was asked for.
    fn executor(&self, stop: &Arc<AtomicBool>) -> anyhow::Result<Box<dyn Executor>> {
        let limits = Limits {
            time: Duration::from_secs_f64(self.test_time),
            ..Limits::default()
        };
        if self.unsandboxed {
            return Ok(Box::new(Unsandboxed::new(limits).stopped_by(stop.clone())));
        }
        let mut sandbox = Sandbox::new(limits)?.stopped_by(stop.clone());
        for path in &self.readable {
            // Scripts run in another folder, and see it under this name.
            let path = absolute(path)?;
            anyhow::ensure!(
                path.exists(),
                "readable: {} is not there; name a folder that scripts read",
                path.display()
            );
            sandbox = sandbox.readable(path);
        }
        Ok(Box::new(sandbox))
    }

    /// The interpreter as scripts are started by it: a name to be looked for, or a whole path.
    ///
    /// # Errors
    /// A path where nothing is.
    fn python(&self) -> anyhow::Result<String> {
        if !self.python.contains('/') {
            return Ok(self.python.clone());
        }
        // Not resolved any further: the interpreter of a virtual environment is a link, and knows by its own place
        // what belongs to it.
        let path = absolute(&self.python)?;
        anyhow::ensure!(
            path.exists(),
            "python: {} is not there; name an interpreter, or its path",
            path.display()
        );
        Ok(path.to_string_lossy().into_owned())
    }

    /// Paths from a folder on.
    fn at(&mut self, folder: &Path) {
        let readable = self.readable.iter();
        self.readable = readable.map(|path| folder.join(path)).collect();
        if self.python.contains('/') {
            self.python = folder.join(&self.python).to_string_lossy().into_owned();
        }
    }
}

/// What an agent works with: who answers, where it ends, where its commands run.
#[derive(Args, Clone, Debug)]
pub struct Means {
    #[command(flatten)]
    llm: LlmFlags,
    #[command(flatten)]
    budget: BudgetFlags,
    #[command(flatten)]
    execute: ExecuteFlags,
}

impl Means {
    /// # Errors
    /// Without a sandbox, or without a model.
    pub fn ready(&self, stop: &Arc<AtomicBool>) -> anyhow::Result<Ready> {
        Ok(Ready {
            executor: self.execute.executor(stop)?,
            models: self.llm.models(stop)?,
            budget: self.budget.budget(),
            python: self.execute.python()?,
            stop: stop.clone(),
        })
    }

    /// What can be said before any work: that models of this machine are there, an interpreter, and a place to run
    /// commands in.
    ///
    /// # Errors
    /// What is not there; no sandbox, unless that is what was asked for.
    pub fn check(&self) -> [anyhow::Result<()>; 3] {
        [
            self.llm.check(),
            self.execute.python().map(drop),
            self.execute.executor(&Arc::default()).map(drop),
        ]
    }

    /// Paths from a folder on.
    #[must_use]
    pub fn at(mut self, folder: &Path) -> Self {
        self.llm.at(folder);
        self.execute.at(folder);
        self
    }
}

/// Models loaded, a place to run commands in.
pub struct Ready {
    executor: Box<dyn Executor>,
    models: Models,
    budget: Budget,
    python: String,
    stop: Arc<AtomicBool>,
}

impl Ready {
    /// A run of issues in a folder, with an account of its own.
    pub fn batch<'a>(
        &'a self,
        out: &'a Path,
        store: Option<&'a SharedStore>,
        settings: &'a ExpeRepair,
        jobs: u16,
    ) -> Batch<'a> {
        let models = &self.models;
        Batch {
            out,
            main: (models.main.0.as_ref(), models.main.1),
            second: (models.second.0.as_ref(), models.second.1),
            executor: self.executor.as_ref(),
            python: &self.python,
            max_tokens: models.max_tokens,
            store,
            settings,
            meter: Arc::new(Meter::new(self.budget, BTreeMap::new())),
            budget: Budget::default(),
            jobs: jobs.into(),
            stop: self.stop.clone(),
        }
    }

    /// The ids that the grader of the issues, run in `folder`, finds resolved by a run; `None` without a grader.
    ///
    /// # Errors
    /// As of the grader, and if Ctrl-C ended it.
    pub fn graded(
        &self,
        issues: &Issues,
        run: &Path,
        folder: &Path,
    ) -> anyhow::Result<Option<BTreeSet<String>>> {
        issues.resolved(run, folder).map_err(|error| {
            match self.stop.load(Ordering::Relaxed) {
                // The key reaches the grader too.
                true => Stopped {
                    at: "the grading".to_owned(),
                }
                .into(),
                false => error,
            }
        })
    }

    /// The first issue that Ctrl-C left undone, if it left any.
    pub fn stopped(&self, done: &[Done], jobs: &[Job]) -> Option<Stopped> {
        let ended = |job: &&Job| {
            let mut all = done.iter();
            all.any(|one| one.task.id == job.task.id && one.result.is_ok())
        };
        let undone = jobs.iter().find(|job| !ended(job))?;
        let stopped = self.stop.load(Ordering::Relaxed);
        stopped.then(|| Stopped {
            at: undone.task.id.clone(),
        })
    }
}
