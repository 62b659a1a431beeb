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
    /// Mean difference, seed by seed, with its t interval.
    pub difference: f64,
    pub interval: Option<Interval>,
    pub unit: Unit,
    pub seconds: f64,
}

/// All rows on all probes; `runs` holds the results of every seed.
pub fn standings(rows: &[Row], runs: &[Vec<StepResult>]) -> Vec<Standing> {
    let of = |name: &str| -> Vec<&Entry> {
        let entries = runs.iter().flatten().map(|result| &result.entry);
        entries.filter(|entry| entry.step == name).collect()
    };
    let mut probes: Vec<&Measurement> = Vec::new();
    for found in rows
        .iter()
        .flat_map(|row| of(&row.name))
        .flat_map(|entry| &entry.measurements)
    {
        if probes.iter().all(|known| known.probe != found.probe) {
            probes.push(found);
        }
    }
    let values = |name: &str, probe: &str| -> Vec<f64> {
        let entries = of(name).into_iter();
        let found = entries.filter_map(|entry| {
            let mut measurements = entry.measurements.iter();
            measurements.find(|found| found.probe == probe)
        });
        found.map(|found| found.value).collect()
    };
    let standing = |row: &Row, probe: &Measurement| -> Option<Standing> {
        let own = values(&row.name, &probe.probe);
        let (mean, mean_interval) = (!own.is_empty()).then(|| paired(&own))?;
        let other = row.against.as_ref().map(|name| values(name, &probe.probe));
        let other = other.filter(|other| other.len() == own.len());
        let differences = |other: Vec<f64>| own.iter().zip(other).map(|(a, b)| a - b).collect();
        let differences: Vec<f64> = match row.against {
            None => vec![0.0; own.len()],
            Some(_) => other.map_or_else(Vec::new, differences),
        };
        let (difference, interval) = match differences[..] {
            [] => (0.0, None),
            _ => paired(&differences),
        };
        let entries = of(&row.name);
        let seconds: f64 = entries.iter().map(|entry| entry.trained_seconds).sum();
        Some(Standing {
            method: row.name.clone(),
            probe: probe.probe.clone(),
            mean,
            mean_interval,
            against: row.against.clone(),
            difference,
            interval,
            unit: probe.unit,
            seconds: seconds / entries.len().max(1) as f64,
            values: own,
        })
    };
    probes
        .iter()
        .flat_map(|probe| rows.iter().filter_map(|row| standing(row, probe)))
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
        let difference = match (&standing.against, standing.interval) {
            (None, _) => "baseline".to_owned(),
            (Some(name), interval) => {
                let against = if several {
                    format!(" against {name}")
                } else {
                    String::new()
                };
                match interval {
                    Some(interval) => format!(
                        "{:+.4} ({:+.4} to {:+.4}){}{against}",
                        standing.difference,
                        interval.low,
                        interval.high,
                        if interval.excludes_zero() { " *" } else { "" }
                    ),
                    None => {
                        format!(
                            "{:+.4} (one seed: no interval){against}",
                            standing.difference
                        )
                    }
                }
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
