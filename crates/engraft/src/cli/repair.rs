//! `engraft repair`: an issue of a repository in, a patch out; or many, in the form of SWE-bench.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use engraft_agents::{
    Task,
    batch::{Done, Job},
    chat::meter::Spent,
    methods::experepair::{ExpeRepair, table},
    workcopy,
};
use jiff::Timestamp;

use crate::{
    agents::{
        Means,
        memory::StoreFlags,
        tasks::{self, ChoiceFlags},
    },
    run::on_interrupt,
    say::{note, say},
};

#[derive(Args)]
pub(super) struct Repair {
    /// The folder of the repository.
    #[arg(long, value_name = "DIR", required_unless_present = "tasks")]
    repo: Option<PathBuf>,
    /// A file with the issue, the address of its text or JSON, or the issue in words.
    #[arg(
        long,
        value_name = "FILE|URL|TEXT",
        requires = "repo",
        required_unless_present = "tasks"
    )]
    issue: Option<String>,
    /// The name that memory keeps the repository by [default: that of its folder].
    #[arg(long, value_name = "OWNER/NAME", requires = "repo")]
    name: Option<String>,
    /// When the issue was created: memory of later ones is not used (2024-05-01T12:00:00Z).
    #[arg(long, value_name = "TIME", requires = "repo")]
    created: Option<Timestamp>,
    /// Put the patch into the folder of the repository.
    #[arg(long, requires = "repo")]
    apply: bool,
    /// SWE-bench instances, JSONL; each with its local checkout under the key `checkout`, or below --checkouts.
    #[arg(long, value_name = "FILE", conflicts_with = "repo", requires = "out")]
    tasks: Option<PathBuf>,
    /// The folder with a checkout for each instance, by its id.
    #[arg(long, value_name = "DIR", requires = "tasks")]
    checkouts: Option<PathBuf>,
    #[command(flatten)]
    choice: ChoiceFlags,
    /// Issues at once; those that are worked on together do not know of each other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Folder for everything that is written [default: runs/repair/ISSUE]. A run that was cut short goes on there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    means: Means,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten, next_help_heading = "Settings of experepair")]
    settings: ExpeRepair,
}

impl Repair {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.settings.effort.check().map_err(anyhow::Error::msg)?;
        let (jobs, out) = self.jobs()?;
        let stop = on_interrupt()?;
        let ready = self.means.ready(&stop)?;
        // An experiment has a memory of its own, a team's next issue that of the one before.
        let place = match self.tasks {
            Some(_) => self.store.or(&out.join("memory.db")),
            None => self.store.clone(),
        };
        std::fs::create_dir_all(&out)?;
        let store = place.shared(self.settings.memory)?;
        let batch = ready.batch(&out, store.as_ref(), &self.settings, self.jobs);
        let many = jobs.len() > 1;
        let done = batch.run(&jobs, &|task: &Task, stage: &str| match many {
            true => note(&format!("{}: {stage}", task.id)),
            false => note(stage),
        })?;
        let stopped = ready.stopped(&done, &jobs);
        if self.tasks.is_some() {
            summary(&done, &out);
        }
        match stopped {
            Some(stopped) => Err(stopped.into()),
            None if self.tasks.is_some() => all_ended(&done),
            None => self.one(done, &out),
        }
    }

    fn jobs(&self) -> anyhow::Result<(Vec<Job>, PathBuf)> {
        if let (Some(tasks), Some(out)) = (&self.tasks, &self.out) {
            let jobs = tasks::many(tasks, self.checkouts.as_deref(), &self.choice)?;
            return Ok((jobs, out.clone()));
        }
        let (repo, issue) = self.repo.as_ref().zip(self.issue.as_ref()).ok_or_else(|| {
            anyhow::anyhow!("--repo and --issue: name the folder and the issue, or --tasks")
        })?;
        let job = tasks::single(repo, issue, self.name.as_deref(), self.created)?;
        let out = self.out.clone();
        let out = out.unwrap_or_else(|| PathBuf::from("runs/repair").join(&job.task.id));
        Ok((vec![job], out))
    }

    /// Says what came of the one issue: the account, then the patch.
    fn one(&self, done: Vec<Done>, out: &Path) -> anyhow::Result<()> {
        let Some(done) = done.into_iter().next() else {
            anyhow::bail!("nothing was done in {}", out.display());
        };
        let repaired = done.result?;
        let account =
            engraft_agents::methods::experepair::account(&done.task, &repaired, &done.spent);
        say(&format!("{account}\nwritten  {}\n", out.display()));
        let patch = repaired.patch();
        anyhow::ensure!(
            !patch.is_empty(),
            "no patch could be made; {} says what was tried",
            out.display()
        );
        if let (true, Some(repo)) = (self.apply, &self.repo) {
            workcopy::apply_to_user_tree(repo, patch)?;
            say(&format!("applied to {}\n", repo.display()));
        }
        Ok(())
    }
}

/// One line an issue, and what all took.
fn summary(done: &[Done], out: &Path) {
    let mut total: BTreeMap<String, Spent> = BTreeMap::new();
    for one in done {
        for (stage, spent) in &one.spent {
            total.entry(stage.clone()).or_default().add(*spent);
        }
        let line = match &one.result {
            Err(error) if error.is_stop() => "stopped".to_owned(),
            Err(error) => format!("failed: {error}"),
            Ok(repaired) => {
                let shown = match repaired.reproduced.accepted {
                    Some(_) => "shown",
                    None => "not shown",
                };
                let patch = match repaired
                    .generated
                    .pool
                    .iter()
                    .any(|candidate| candidate.correct)
                {
                    true => "a patch that the review accepts",
                    false if repaired.patch().is_empty() => "no patch",
                    false => "a patch that the review does not accept",
                };
                let ended = repaired.ended.as_ref().map(|why| format!("; {why}"));
                format!("{shown}, {patch}{}", ended.unwrap_or_default())
            }
        };
        say(&format!("{}: {line}\n", one.task.id));
    }
    say(&format!(
        "\n{}\nwritten  {}\n",
        table(&total),
        out.join("preds/final_0.jsonl").display()
    ));
}

/// A model that does not answer ends the work, so that issues after a failed one may not have been begun.
fn all_ended(done: &[Done]) -> anyhow::Result<()> {
    let failed = done.iter().filter(|one| one.result.is_err()).count();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {} issues failed; run it again to try those again",
        done.len()
    );
    Ok(())
}
