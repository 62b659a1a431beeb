//! Steps side by side over several seeds: means, and differences paired by seed with their intervals.

use engraft_probe::{Entry, Interval, Measurement, measurement::Unit, measurement::show, paired};
use serde::Serialize;

use crate::run::StepResult;

/// A step to show, and the step it is compared with.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub against: Option<String>,
}

/// One step's values of one probe over the seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub method: String,
    pub probe: String,
    pub values: Vec<f64>,
    pub mean: f64,
    /// t interval of the mean over the seeds.
    pub mean_interval: Option<Interval>,
    /// What it is compared with; nothing for a baseline.
    pub against: Option<String>,
    /// Mean difference, seed by seed, with its t interval; nothing where the other step was not
    /// measured by this probe.
    pub difference: Option<f64>,
    pub interval: Option<Interval>,
    pub unit: Unit,
    pub seconds: f64,
}

/// All rows on all probes; `runs` holds the results of every seed.
pub fn standings(rows: &[Row], runs: &[Vec<StepResult>]) -> Vec<Standing> {
    let entry = |run: &'_ [StepResult], name: &str| -> Option<Entry> {
        let mut results = run.iter();
        let found = results.find(|result| result.entry.step == name)?;
        Some(found.entry.clone())
    };
    // A step's entries, seed by seed.
    let entries: Vec<Vec<Option<Entry>>> = rows
        .iter()
        .map(|row| runs.iter().map(|run| entry(run, &row.name)).collect())
        .collect();
    let mut probes: Vec<&Measurement> = Vec::new();
    for found in entries
        .iter()
        .flatten()
        .flatten()
        .flat_map(|entry| &entry.measurements)
    {
        if probes.iter().all(|known| known.probe != found.probe) {
            probes.push(found);
        }
    }
    let values = |at: usize, probe: &str| -> Vec<Option<f64>> {
        let value = |entry: &Option<Entry>| {
            let mut measurements = entry.as_ref()?.measurements.iter();
            measurements
                .find(|found| found.probe == probe)
                .map(|found| found.value)
        };
        entries[at].iter().map(value).collect()
    };
    let standing = |at: usize, probe: &Measurement| -> Option<Standing> {
        let row = &rows[at];
        let by_seed = values(at, &probe.probe);
        let own: Vec<f64> = by_seed.iter().flatten().copied().collect();
        let (mean, mean_interval) = (!own.is_empty()).then(|| paired(&own))?;
        let differences: Vec<f64> = match &row.against {
            None => vec![0.0; own.len()],
            Some(name) => {
                let other = rows.iter().position(|row| row.name == *name);
                let other = other.map_or_else(Vec::new, |other| values(other, &probe.probe));
                let pairs = by_seed.iter().zip(other);
                pairs
                    .filter_map(|(own, other)| Some((*own)? - other?))
                    .collect()
            }
        };
        let compared = (!differences.is_empty()).then(|| paired(&differences));
        let seconds = entries[at]
            .iter()
            .flatten()
            .map(|entry| entry.trained_seconds);
        Some(Standing {
            method: row.name.clone(),
            probe: probe.probe.clone(),
            mean,
            mean_interval,
            against: row.against.clone(),
            difference: compared.map(|(difference, _)| difference),
            interval: compared.and_then(|(_, interval)| interval),
            unit: probe.unit,
            seconds: seconds.sum::<f64>() / own.len() as f64,
            values: own,
        })
    };
    probes
        .iter()
        .flat_map(|probe| (0..rows.len()).filter_map(|at| standing(at, probe)))
        .collect()
}

/// The table: probe by probe, a line a step.
pub fn table(standings: &[Standing]) -> String {
    let names = standings
        .iter()
        .map(|standing| standing.method.chars().count());
    let width = names.max().unwrap_or(0).max(6);
    let baselines: Vec<&String> = standings.iter().flat_map(|s| &s.against).collect();
    let several = baselines.iter().any(|name| **name != *baselines[0]);
    let (mut out, mut probe) = (String::new(), "");
    for standing in standings {
        if standing.probe != probe {
            probe = &standing.probe;
            out.push_str(&format!("\n{probe}\n"));
        }
        let against = match &standing.against {
            Some(name) if several => format!(" against {name}"),
            _ => String::new(),
        };
        let difference = match (&standing.against, standing.difference, standing.interval) {
            (None, ..) => "baseline".to_owned(),
            (Some(name), None, _) => format!("{name} was not measured so"),
            (Some(_), Some(difference), Some(interval)) => format!(
                "{difference:+.4} ({:+.4} to {:+.4}){}{against}",
                interval.low,
                interval.high,
                if interval.excludes_zero() { " *" } else { "" }
            ),
            (Some(_), Some(difference), None) => {
                format!("{difference:+.4} (one seed: no interval){against}")
            }
        };
        out.push_str(&format!(
            "  {:<width$}  {:>14}  {difference:<38}  {:>6.1} s\n",
            standing.method,
            show(standing.mean, standing.unit),
            standing.seconds
        ));
    }
    out.push_str("\n* the interval excludes 0. Differences of shares are from 0 to 1.\n");
    out
}
