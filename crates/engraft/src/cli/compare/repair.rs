//! `engraft compare repair`: what memory does for a repair agent, on the same issues.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use engraft_agents::{
    Task,
    methods::experepair::{Channels, Effort, ExpeRepair, SharedStore},
};
use engraft_files::atomic::write_file;
use engraft_memory::SqliteStore;

use crate::{
    agents::{
        Means,
        contest::{Entry, Issue, table},
        tasks::Issues,
    },
    run::on_interrupt,
    say::{note, say},
};

#[derive(Args)]
pub(super) struct Repair {
    #[command(flatten)]
    issues: Issues,
    /// Memories to compare; the first is the baseline.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Channels::None, Channels::Both])]
    memory: Vec<Channels>,
    /// Seed of the random demonstrations.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the runs and compare.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    means: Means,
    #[command(flatten, next_help_heading = "Settings of experepair")]
    effort: Effort,
}

impl Repair {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.effort.check().map_err(anyhow::Error::msg)?;
        let jobs = self.issues.chosen()?;
        let stop = on_interrupt()?;
        let ready = self.means.ready(&stop)?;
        let mut entries = Vec::new();
        for &memory in &self.memory {
            let out = self.out.join(memory.name());
            std::fs::create_dir_all(&out)?;
            let store: SharedStore =
                SharedStore::new(Box::new(SqliteStore::open(out.join("memory.db"))?));
            let settings = ExpeRepair {
                memory,
                memory_seed: self.seed,
                effort: self.effort.clone(),
            };
            let batch = ready.batch(&out, Some(&store), &settings, self.issues.jobs);
            let done = batch.run(&jobs, &|task: &Task, stage: &str| {
                note(&format!("{memory}: {}: {stage}", task.id));
            })?;
            if let Some(stopped) = ready.stopped(&done, &jobs) {
                return Err(stopped.into());
            }
            let resolved = ready.graded(&self.issues, &out, Path::new("."))?;
            let issues = Issue::all(done, resolved.as_ref());
            entries.push(Entry {
                memory,
                issues: issues.with_context(|| memory.to_string())?,
            });
        }
        say(&format!("\n{}\n", table(&entries)));
        let path = self.out.join("compare.json");
        write_file(&path, &serde_json::to_vec_pretty(&entries)?)?;
        say(&format!("written  {}\n", path.display()));
        Ok(())
    }
}
