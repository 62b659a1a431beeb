//! A recipe over several seeds: a run a seed, each resumable by itself, then all of them in one table.

use std::{path::Path, time::Instant};

use anyhow::Context;
use engraft_nets::files::write_file;
use engraft_probe::{Measurement, measurement::Unit, measurement::show, paired};
use serde_json::{Value, json};

use crate::{
    plan::{Plan, Step, Work},
    recipe::Recipe,
    run::{Options, Outcome, StepResult, place, run},
    say::{note, say},
    standing::{self, Row},
};

/// What a recipe says about how often and how far it is run.
pub const KEYS: [&str; 2] = ["seeds", "quick"];

/// The seeds of a recipe that asks for several (`seeds: 5`): its own and those after it.
pub fn of(recipe: &Recipe) -> anyhow::Result<Option<Vec<u64>>> {
    let Some(written) = recipe.root.get("seeds").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let count = written.as_u64().filter(|count| (1..=1000).contains(count));
    let count = count.with_context(|| {
        format!(
            "{}: seeds is {written}; it must be a number from 1 to 1000",
            recipe.origin
        )
    })?;
    let first = match recipe.root.get("seed").filter(|value| !value.is_null()) {
        None => 0,
        Some(written) => written.as_u64().with_context(|| {
            format!(
                "{}: seed is {written}; it must be a whole number of 0 or more",
                recipe.origin
            )
        })?,
    };
    Ok(Some(
        (0..count).map(|seed| first.wrapping_add(seed)).collect(),
    ))
}

/// Runs every seed in a folder of its own and prints the table.
pub fn execute(recipe: &Recipe, seeds: &[u64], options: &Options) -> anyhow::Result<Outcome> {
    let name = recipe.root.get("name").and_then(Value::as_str);
    let usual = || place::usual(name.unwrap_or(&recipe.name));
    let out = options.out.clone().unwrap_or_else(usual);
    ours(&out)?;
    let plan = |seed: u64| -> anyhow::Result<Plan> {
        let mut variant = recipe.clone();
        variant.root.insert("seed".to_owned(), json!(seed));
        let folder = out.join(format!("seed-{seed}"));
        let plan = Plan::resolve(&variant, Some(folder), &options.device)?;
        unshared(&plan, seeds)?;
        place::check(&plan)?;
        Ok(plan)
    };
    let (mut fresh, mut spent) = (0, 0.0);
    let (mut runs, mut rows): (Vec<Vec<StepResult>>, Vec<Row>) = (Vec::new(), Vec::new());
    let mut machine = String::new();
    for (index, &seed) in seeds.iter().enumerate() {
        let plan = plan(seed)?;
        if options.dry_run {
            say(&plan.describe());
            return Ok(Outcome {
                out,
                results: Vec::new(),
            });
        }
        note(&format!("seed {seed}, {} of {}", index + 1, seeds.len()));
        let started = Instant::now();
        let results = run(&plan)?.results;
        crate::report::write(&plan, &results, &plan.out.join("report.html"))?;
        if index == 0 {
            rows = self::rows(&plan);
            machine = crate::machine::describe(&plan.device);
        }
        if !results.iter().any(|result| result.skipped) {
            fresh += 1;
            spent += started.elapsed().as_secs_f64();
        }
        let left = seeds.len() - index - 1;
        if left > 0 && fresh > 0 {
            let minutes = spent / f64::from(fresh) * left as f64 / 60.0;
            note(&format!(
                "seed {seed}: done; about {minutes:.0} minutes for the other {left}"
            ));
        }
        runs.push(results);
    }
    let standings = standing::standings(&rows, &runs);
    let overview = overview(&rows, &runs);
    let entries = || runs.iter().flatten().map(|result| &result.entry);
    let trained: f64 = entries().map(|entry| entry.trained_seconds).sum();
    let measured: f64 = entries().map(|entry| entry.measured_seconds).sum();
    say(&format!(
        "\n{overview}{}\nAll steps of {} seed(s) took {:.0} minutes: {:.0} to do the work, {:.0} to \
         measure what came of it.\n",
        standing::table(&standings),
        seeds.len(),
        (trained + measured) / 60.0,
        trained / 60.0,
        measured / 60.0
    ));
    let whole = json!({
        "trained_seconds": trained,
        "measured_seconds": measured,
        "recipe": recipe.name,
        "seeds": seeds,
        "machine": machine,
        "standings": standings,
    });
    for (name, content) in [
        ("table.md", overview.into_bytes()),
        ("table.json", serde_json::to_vec_pretty(&whole)?),
    ] {
        let path = out.join(name);
        write_file(&path, &content)?;
        say(&format!("written  {}\n", path.display()));
    }
    Ok(Outcome {
        out,
        results: runs.into_iter().flatten().collect(),
    })
}

/// Refuses steps that would make the seeds depend on each other.
fn unshared(plan: &Plan, seeds: &[u64]) -> anyhow::Result<()> {
    let shares = |step: &&Step| match step {
        Step::Repair(step) => step.config.contains_key("store"),
        Step::Model(_) => false,
    };
    match plan.steps.iter().find(shares) {
        Some(step) if seeds.len() > 1 => anyhow::bail!(
            "step `{}`: with `store` all seeds would go on from one memory; leave it out, so that each has its own",
            step.name()
        ),
        _ => Ok(()),
    }
}

/// Refuses a folder that holds other things than the runs of several seeds.
fn ours(out: &Path) -> anyhow::Result<()> {
    let known = |name: &str| {
        name.starts_with("seed-") || [place::COMPARISONS, "table.md", "table.json"].contains(&name)
    };
    let entries = std::fs::read_dir(out).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.into_iter().find(|name| !known(name)) {
        Some(name) => anyhow::bail!(
            "{} is no folder of a run over seeds and holds other things (`{name}`); choose a new \
             folder with --out",
            out.display()
        ),
        None => Ok(()),
    }
}

/// Every step that makes a model or works with a memory: a pruned one beside what was pruned, all others beside the
/// first of their kind.
fn rows(plan: &Plan) -> Vec<Row> {
    let (mut first_model, mut first_repair) = (None, None);
    let mut beside = |step: &Step| match step {
        Step::Model(step) => match step.work {
            Work::Probe => None,
            Work::Prune { .. } => Some(step.model.clone()),
            _ => Some(first_model.get_or_insert_with(|| step.name.clone()).clone()),
        },
        Step::Repair(step) => Some(
            first_repair
                .get_or_insert_with(|| step.name.clone())
                .clone(),
        ),
    };
    let row = |step: &Step| {
        let against = beside(step)?;
        Some(Row {
            against: Some(against).filter(|against| against != step.name()),
            name: step.name().to_owned(),
        })
    };
    plan.steps.iter().filter_map(row).collect()
}

/// A Markdown table, a line a step: what was measured before and after, time, memory, what was trained.
fn overview(rows: &[Row], runs: &[Vec<StepResult>]) -> String {
    let all = || runs.iter().flatten().map(|result| &result.entry);
    let mut probes: Vec<&Measurement> = Vec::new();
    for found in all().flat_map(|entry| &entry.measurements) {
        if !found.on_training_data && probes.iter().all(|known| known.probe != found.probe) {
            probes.push(found);
        }
    }
    let heads: Vec<&str> = probes.iter().map(|found| found.probe.as_str()).collect();
    let mut out = format!(
        "| step | {} | seconds | memory | trained |\n|---|{}---|---|---|\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    let cell = |found: &[&Measurement], unit: Unit| -> String {
        let values: Vec<f64> = found.iter().map(|found| found.value).collect();
        if values.is_empty() {
            return "–".to_owned();
        }
        let (mean, interval) = paired(&values);
        let half = interval.map(|interval| (interval.high - interval.low) / 2.0);
        match half {
            Some(half) => {
                let half = show(half, unit);
                let bare = half
                    .trim_start_matches('+')
                    .split(' ')
                    .next()
                    .unwrap_or_default();
                format!("{} ±{bare}", show(mean, unit))
            }
            None => show(mean, unit),
        }
    };
    let line = |name: &str, cells: Vec<String>, rest: [String; 3]| {
        format!(
            "| {name} | {} | {} |\n",
            cells.join(" | "),
            rest.join(" | ")
        )
    };
    // Every step of a seed knows the same; one of them speaks for it.
    let first = |run: &'_ [StepResult], probe: &str| -> Option<Measurement> {
        let mut before = run.iter().flat_map(|result| &result.entry.before);
        before.find(|found| found.probe == probe).cloned()
    };
    let before: Vec<String> = probes
        .iter()
        .map(|probe| {
            let found = runs.iter().filter_map(|run| first(run, &probe.probe));
            let found: Vec<Measurement> = found.collect();
            cell(&found.iter().collect::<Vec<_>>(), probe.unit)
        })
        .collect();
    out.push_str(&line("before", before, ["–", "–", "–"].map(str::to_owned)));
    for row in rows {
        let entries: Vec<_> = all().filter(|entry| entry.step == row.name).collect();
        let cells = probes.iter().map(|probe| {
            let found = entries.iter().flat_map(|entry| &entry.measurements);
            let found: Vec<_> = found.filter(|found| found.probe == probe.probe).collect();
            cell(&found, probe.unit)
        });
        let seconds: f64 = entries.iter().map(|entry| entry.trained_seconds).sum();
        let memory = entries.iter().filter_map(|entry| entry.peak_memory).max();
        let trained = entries.iter().map(|entry| entry.trained_parameters).max();
        let rest = [
            format!("{:.0}", seconds / entries.len().max(1) as f64),
            memory.map_or("–".to_owned(), |bytes| format!("{} MB", bytes >> 20)),
            trained.map_or("–".to_owned(), |count| {
                format!("{:.1} M", count as f64 / 1e6)
            }),
        ];
        out.push_str(&line(&row.name, cells.collect(), rest));
    }
    out
}
