//! Methods by seeds under one budget: the same models, data, steps and rates, only the method
//! differs; paired by seed.

use std::path::PathBuf;

use engraft_probe::{Entry, Interval, Measurement, measurement::show, paired};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    plan::{Plan, step},
    recipe::Recipe,
    run::{StepResult, place, run},
    say::note,
};

/// What is compared.
#[derive(Clone, Debug)]
pub struct Contest {
    pub methods: Vec<String>,
    /// Seeds 0, 1, ...: added to the recipe's own.
    pub seeds: u64,
    pub out: Option<PathBuf>,
    pub device: String,
}

/// One method's values over the seeds, and its paired difference to the first method.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub method: String,
    pub probe: String,
    pub values: Vec<f64>,
    pub mean: f64,
    /// Mean difference to the first method, seed by seed, with its t interval.
    pub difference: f64,
    pub interval: Option<Interval>,
    #[serde(skip)]
    unit: Option<engraft_probe::measurement::Unit>,
    pub seconds: f64,
}

/// All standings, probe by probe.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub recipe: String,
    pub step: String,
    pub methods: Vec<String>,
    pub seeds: Vec<u64>,
    pub standings: Vec<Standing>,
    pub machine: String,
}

/// Runs the contest on the first `distill` step of a recipe.
pub fn compare(recipe: &Recipe, contest: &Contest) -> anyhow::Result<(Comparison, PathBuf)> {
    anyhow::ensure!(
        contest.methods.len() >= 2,
        "--methods needs two or more, separated by commas"
    );
    for (at, method) in contest.methods.iter().enumerate() {
        anyhow::ensure!(
            !contest.methods[..at].contains(method),
            "--methods names `{method}` twice; name every method once"
        );
    }
    let out = contest.out.clone().unwrap_or_else(|| {
        PathBuf::from("runs")
            .join(&recipe.name)
            .join(place::COMPARISONS)
    });
    let first = recipe.root.get("seed").and_then(Value::as_u64).unwrap_or(0);
    let seeds: Vec<u64> = (0..contest.seeds)
        .map(|seed| first.wrapping_add(seed))
        .collect();
    let mut plans = Vec::new();
    for &seed in &seeds {
        let variant = variant(recipe, &contest.methods, seed)?;
        let folder = out.join(format!("seed-{seed}"));
        // All plans first: a mistake in the last seed must not cost the time of the others.
        let plan = Plan::resolve(&variant, Some(folder), &contest.device)?;
        place::check(&plan)?;
        plans.push(plan);
    }
    let mut runs: Vec<Vec<StepResult>> = Vec::new();
    for (plan, seed) in plans.iter().zip(&seeds) {
        note(&format!("seed {seed}"));
        runs.push(run(plan)?.results);
    }
    let comparison = Comparison {
        recipe: recipe.name.clone(),
        step: "distill".to_owned(),
        standings: standings(&contest.methods, &runs),
        methods: contest.methods.clone(),
        seeds,
        machine: crate::machine::describe(&plans[0].device),
    };
    Ok((comparison, out))
}

/// The recipe with one `distill` step a method, and of the other steps only what those need.
fn variant(recipe: &Recipe, methods: &[String], seed: u64) -> anyhow::Result<Recipe> {
    let steps = recipe
        .root
        .get("steps")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let at = steps
        .iter()
        .position(|step| step.get("distill").is_some())
        .ok_or_else(|| {
            anyhow::anyhow!(
                "{} has no distill step to compare methods on",
                recipe.origin
            )
        })?;
    let template = steps[at]["distill"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let mut kept: Vec<Value> = Vec::new();
    let mut needed: Vec<String> = ["teacher", "student"]
        .iter()
        .filter_map(|key| Some(template.get(*key)?.as_str()?.to_owned()))
        .collect();
    for step in steps[..at].iter().rev() {
        let Some((verb, body)) = step.as_object().and_then(|map| map.iter().next()) else {
            continue;
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        if step::name_of(verb, body).is_some_and(|name| needed.contains(&name)) {
            needed.extend(
                ["model", "teacher", "student"]
                    .iter()
                    .filter_map(|key| text(key)),
            );
            kept.insert(0, varied(step));
        }
    }
    for method in methods {
        let mut step: Map<String, Value> = template.clone();
        step.insert("name".to_owned(), json!(method));
        step.insert("method".to_owned(), json!(method));
        step.shift_remove("seed");
        kept.push(json!({ "distill": step }));
    }
    let mut variant = recipe.clone();
    variant.root.insert("steps".to_owned(), Value::Array(kept));
    variant.root.insert("seed".to_owned(), json!(seed));
    Ok(variant)
}

/// A step that follows the recipe's seed, whatever it pinned.
fn varied(step: &Value) -> Value {
    let mut step = step.clone();
    let bodies = step.as_object_mut().into_iter().flat_map(Map::values_mut);
    for body in bodies.filter_map(Value::as_object_mut) {
        body.shift_remove("seed");
    }
    step
}

fn standings(methods: &[String], runs: &[Vec<StepResult>]) -> Vec<Standing> {
    let entry = |run: &[StepResult], method: &str| -> Option<Entry> {
        run.iter()
            .find(|result| result.entry.step == method)
            .map(|result| result.entry.clone())
    };
    let of =
        |method: &str| -> Vec<Entry> { runs.iter().filter_map(|run| entry(run, method)).collect() };
    let base = of(&methods[0]);
    let probes: Vec<Measurement> = base
        .first()
        .map_or_else(Vec::new, |entry| entry.measurements.clone());
    let value = |entry: &Entry, probe: &str| {
        entry
            .measurements
            .iter()
            .find(|found| found.probe == probe)
            .map(|found| found.value)
    };
    let mut all = Vec::new();
    for probe in &probes {
        for method in methods {
            let entries = of(method);
            let values: Vec<f64> = entries
                .iter()
                .filter_map(|entry| value(entry, &probe.probe))
                .collect();
            let against = base.iter().filter_map(|entry| value(entry, &probe.probe));
            let differences: Vec<f64> = values.iter().zip(against).map(|(a, b)| a - b).collect();
            let (difference, interval) = paired(&differences);
            all.push(Standing {
                method: method.clone(),
                probe: probe.probe.clone(),
                mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
                values,
                difference,
                interval,
                unit: Some(probe.unit),
                seconds: entries
                    .iter()
                    .map(|entry| entry.trained_seconds)
                    .sum::<f64>()
                    / entries.len().max(1) as f64,
            });
        }
    }
    all
}

impl Comparison {
    /// The table: probe by probe, a line a method, the first method as the baseline.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{} methods, {} seeds, one budget; differences are paired by seed, 95 % t intervals\n",
            self.methods.len(),
            self.seeds.len()
        );
        let width = self
            .methods
            .iter()
            .map(String::len)
            .max()
            .unwrap_or(6)
            .max(6);
        let mut probe = "";
        for standing in &self.standings {
            if standing.probe != probe {
                probe = &standing.probe;
                out.push_str(&format!("\n{probe}\n"));
            }
            let unit = standing
                .unit
                .unwrap_or(engraft_probe::measurement::Unit::Nats);
            let difference = match (standing.method == self.methods[0], standing.interval) {
                (true, _) => "baseline".to_owned(),
                (false, Some(interval)) => format!(
                    "{:+.4} ({:+.4} to {:+.4}){}",
                    standing.difference,
                    interval.low,
                    interval.high,
                    if interval.excludes_zero() { " *" } else { "" }
                ),
                (false, None) => format!("{:+.4} (one seed: no interval)", standing.difference),
            };
            out.push_str(&format!(
                "  {:<width$}  {:>12}  {difference:<38}  {:>6.1} s\n",
                standing.method,
                show(standing.mean, unit),
                standing.seconds
            ));
        }
        out.push_str("\n* the interval excludes 0. Differences of shares are from 0 to 1.\n");
        out
    }
}
