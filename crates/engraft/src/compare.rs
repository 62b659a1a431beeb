//! Methods by seeds under one budget: the same models, data, steps and rates, only the method
//! differs; paired by seed.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    plan::{Plan, step},
    recipe::Recipe,
    run::{StepResult, place, run},
    say::note,
    standing::{self, Row, Standing},
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
    let first = &contest.methods[0];
    let rows: Vec<Row> = contest
        .methods
        .iter()
        .map(|method| Row {
            name: method.clone(),
            against: (method != first).then(|| first.clone()),
        })
        .collect();
    let comparison = Comparison {
        recipe: recipe.name.clone(),
        step: "distill".to_owned(),
        standings: standing::standings(&rows, &runs),
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

impl Comparison {
    /// The table: probe by probe, a line a method, the first method as the baseline.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{} methods, {} seeds, one budget; differences are paired by seed, 95 % t intervals\n",
            self.methods.len(),
            self.seeds.len()
        );
        out.push_str(&standing::table(&self.standings));
        out
    }
}
