//! `engraft compare repair`: what memory does for a repair agent, on the same issues.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use clap::Args;
use engraft_agents::{
    Task,
    batch::Batch,
    chat::meter::{Budget, Meter},
    methods::experepair::{Channels, ExpeRepair, SharedStore},
};
use engraft_files::atomic::write_file;
use engraft_memory::SqliteStore;

use crate::{
    agents::{
        BudgetFlags, ExecuteFlags, LlmFlags,
        contest::{Entry, grade, table},
        tasks,
    },
    cli::repair::ChoiceFlags,
    run::on_interrupt,
    say::{note, say},
};

#[derive(Args)]
pub(super) struct Repair {
    /// SWE-bench instances, JSONL, with local checkouts; see `engraft repair --help`.
    #[arg(long, value_name = "FILE")]
    tasks: PathBuf,
    /// The folder with a checkout for each instance, by its id.
    #[arg(long, value_name = "DIR")]
    checkouts: Option<PathBuf>,
    #[command(flatten)]
    choice: ChoiceFlags,
    /// Memories to compare; the first is the baseline.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Channels::None, Channels::Both])]
    memory: Vec<Channels>,
    /// The command that says which issues are resolved, with {predictions} and {tasks} in their places; it prints JSON
    /// with the list `resolved`. Without it, what the review accepts is counted.
    #[arg(long, value_name = "COMMAND")]
    grade: Option<String>,
    /// Seed of the random demonstrations.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the runs and compare.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Issues at once; those that are worked on together do not know of each other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    #[command(flatten)]
    llm: LlmFlags,
    #[command(flatten)]
    budget: BudgetFlags,
    #[command(flatten)]
    execute: ExecuteFlags,
}

impl Repair {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let jobs = tasks::many(
            &self.tasks,
            self.checkouts.as_deref(),
            &self.choice.choice()?,
        )?;
        let stop = on_interrupt()?;
        let executor = self.execute.executor(&stop)?;
        let models = self.llm.models(&stop)?;
        let mut entries = Vec::new();
        for &memory in &self.memory {
            let out = self.out.join(memory.name());
            std::fs::create_dir_all(&out)?;
            let store: SharedStore =
                SharedStore::new(Box::new(SqliteStore::open(out.join("memory.db"))?));
            let settings = ExpeRepair {
                memory,
                memory_seed: self.seed,
                ..ExpeRepair::default()
            };
            let batch = Batch {
                out: &out,
                main: (models.main.0.as_ref(), models.main.1),
                second: (models.second.0.as_ref(), models.second.1),
                executor: executor.as_ref(),
                python: self.execute.python(),
                max_tokens: models.max_tokens,
                store: Some(&store),
                settings: &settings,
                meter: Arc::new(Meter::new(self.budget.budget(), BTreeMap::new())),
                budget: Budget::default(),
                jobs: self.jobs.into(),
                stop: stop.clone(),
            };
            let done = batch.run(&jobs, &|task: &Task, stage: &str| {
                note(&format!("{memory}: {}: {stage}", task.id));
            })?;
            anyhow::ensure!(
                done.len() == jobs.len(),
                "stopped; run it again to continue there: {}",
                self.out.display()
            );
            let predictions = out.join("preds/final_0.jsonl");
            let resolved = match &self.grade {
                Some(command) => Some(grade(command, &predictions, &self.tasks)?),
                None => None,
            };
            entries.push(Entry::of(memory, done, resolved.as_ref())?);
        }
        say(&format!("\n{}\n", table(&entries)));
        let path = self.out.join("compare.json");
        write_file(&path, &serde_json::to_vec_pretty(&entries)?)?;
        say(&format!("written  {}\n", path.display()));
        Ok(())
    }
}
