//! `engraft compare`: methods by seeds on a recipe's distillation step; `compare decode` compares
//! decoding.

mod decode;
mod repair;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use engraft_nets::files::write_file;

use crate::{
    compare::{Contest, compare},
    recipe::{Override, Recipe},
    say::say,
};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Compare {
    #[command(subcommand)]
    other: Option<Other>,
    /// A YAML file, or the name of an embedded recipe; its first distill step is the contest.
    #[arg(required = true)]
    recipe: Option<String>,
    /// Names as `engraft methods` lists them; the first is the baseline.
    #[arg(long, value_delimiter = ',', required = true)]
    methods: Vec<String>,
    /// Runs a method, each with a seed of its own; at least 2 for intervals.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Replace a value of the recipe: `--set steps.0.train.lr=0.001`. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Override>,
    /// Folder for the runs and compare.json [default: runs/NAME/compare].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// cpu, cuda:0 or wgpu.
    #[arg(long, default_value = "cpu")]
    device: String,
}

#[derive(Subcommand)]
enum Other {
    /// Compare decoding methods on conflicts of memory and context, template by template.
    Decode(decode::Decode),
    /// Compare memories on issues to repair.
    Repair(Box<repair::Repair>),
}

impl Compare {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.other {
            Some(Other::Decode(decode)) => return decode.run(),
            Some(Other::Repair(repair)) => return repair.run(),
            None => {}
        }
        let recipe = self.recipe.context("name a recipe")?;
        for method in &self.methods {
            super::verbs::known(method)?;
        }
        let mut recipe = Recipe::load(&recipe)?;
        for change in &self.set {
            recipe.set(change)?;
        }
        let contest = Contest {
            methods: self.methods,
            seeds: self.seeds,
            out: self.out,
            device: self.device,
        };
        let (comparison, out) = compare(&recipe, &contest)?;
        say(&format!("\n{}\n", comparison.table()));
        let path = out.join("compare.json");
        write_file(&path, &serde_json::to_vec_pretty(&comparison)?)?;
        say(&format!("written  {}\n", path.display()));
        Ok(())
    }
}
