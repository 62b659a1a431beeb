//! The report: one self-contained page a person would rather look at than read.

mod plot;

use std::{collections::BTreeSet, path::Path};

use anyhow::Context;
use engraft_nets::files::write_file;
use engraft_probe::{Entry, Measurement, ledger::learned, measurement::Unit};
use indexmap::IndexMap;
use minijinja::{Environment, context};
use serde::Serialize;

use crate::{plan::Plan, run::StepResult};

#[derive(Serialize)]
struct Card {
    value: String,
    label: String,
}

#[derive(Serialize)]
struct Row {
    colour: String,
    name: String,
    what: String,
    /// Gain, kept, spill.
    cells: Vec<Cell>,
    seconds: String,
    memory: String,
}

/// A value with its bar; without a value only the words about it.
#[derive(Serialize, Default)]
struct Cell {
    value: Option<String>,
    about: String,
    /// Percent of the bar, where the value is a share.
    share: Option<f64>,
    low: f64,
    span: f64,
}

/// One probe, measured after each step that it applies to.
#[derive(Serialize)]
struct Measured {
    probe: String,
    n: usize,
    /// A cell a step: value and interval, or nothing.
    cells: Vec<Option<(String, String)>>,
}

#[derive(Serialize)]
struct BitsRow {
    model: String,
    parameters: String,
    names: String,
    values: String,
    ratio: String,
    max_ratio: String,
}

/// Writes the page of a run.
pub fn write(plan: &Plan, results: &[StepResult], path: &Path) -> anyhow::Result<()> {
    let page = page(plan, results)?;
    Ok(write_file(path, page.as_bytes())?)
}

fn page(plan: &Plan, results: &[StepResult]) -> anyhow::Result<String> {
    let entries: Vec<&Entry> = results.iter().map(|result| &result.entry).collect();
    let memory = entries.iter().filter_map(|entry| entry.peak_memory).max();
    // A step without a model of its own asks others.
    let (training, asking): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.parameters > 0);
    let card = |value: String, label: &str| Card {
        value,
        label: label.to_owned(),
    };
    let mut cards = vec![card(entries.len().to_string(), "steps")];
    for (of, time, amount) in [
        (&training, "of training", "tokens or images trained on"),
        (
            &asking,
            "of work on issues",
            "tokens read and written for them",
        ),
    ] {
        if !of.is_empty() {
            let seconds = of.iter().map(|entry| entry.trained_seconds).sum();
            let tokens = of.iter().map(|entry| entry.tokens).sum();
            cards.push(card(duration(seconds), time));
            cards.push(card(counted(tokens), amount));
        }
    }
    cards.extend(memory.map(|bytes| card(megabytes(bytes), "peak memory")));
    let rows: Vec<Row> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| row(index, entry))
        .collect();
    let mut environment = Environment::new();
    environment.add_template("report.html", include_str!("report/page.html"))?;
    let template = environment.get_template("report.html")?;
    template
        .render(context! {
            title => plan.name,
            learned => learned(entries.iter().copied()),
            subtitle => subtitle(&entries),
            reading => reading(&entries),
            cards,
            rows,
            losses => losses(results)?,
            tradeoff => tradeoff(&entries)?,
            measurements => measurements(&entries),
            bits => bits_rows(&entries),
            yaml => plan.yaml,
            footer => format!("Engraft {} · seed {} · {}", env!("CARGO_PKG_VERSION"), plan.seed,
                entries.first().map_or("", |entry| entry.machine.as_str())),
        })
        .context("the report's template")
}

fn subtitle(entries: &[&Entry]) -> String {
    let models = entries.iter().map(|entry| entry.parameters);
    let models: BTreeSet<u64> = models.filter(|count| *count > 0).collect();
    let sizes: Vec<String> = models.into_iter().rev().map(counted).collect();
    match sizes[..] {
        [] => "Every number with its interval.".to_owned(),
        _ => format!(
            "Models of {} parameters; every number with its interval.",
            sizes.join(" and ")
        ),
    }
}

/// How to read the table, naming what the columns measure here.
fn reading(entries: &[&Entry]) -> String {
    let first = |of: fn(&Entry) -> Option<&Measurement>| {
        entries
            .iter()
            .copied()
            .find_map(of)
            .map(|found| found.probe.clone())
    };
    let mut text = Vec::new();
    if let Some(gain) = first(|entry| entry.gain.as_ref()) {
        text.push(match learned(entries.iter().copied()) {
            "gain" => format!("Gain: what was to be learned ({gain})."),
            _ => format!(
                "Learned: what was to be learned ({gain}); of a perplexity, less is better."
            ),
        });
    }
    if let Some(kept) = first(|entry| entry.kept.as_ref()) {
        text.push(format!(
            "Kept: what the model knew before ({kept}), with its value before the step."
        ));
    }
    if let Some(spill) = first(|entry| entry.spill.as_ref()) {
        text.push(format!(
            "Spill: how much more probable taught answers became where they do not belong ({spill})."
        ));
    }
    text.join(" ")
}

fn row(index: usize, entry: &Entry) -> Row {
    let nothing = |about: &str| Cell {
        about: about.to_owned(),
        ..Cell::default()
    };
    let gain = entry.gain.as_ref().map_or_else(|| nothing("–"), cell);
    let kept = match &entry.kept {
        Some(kept) => {
            let mut cell = cell(kept);
            if let Some(before) = &entry.kept_before {
                cell.about = format!("before {} · {}", before.shown(), cell.about);
            }
            cell
        }
        None if entry.parameters == 0 => nothing("–"),
        None => nothing("nothing was known before"),
    };
    let spill = entry.spill.as_ref().map_or_else(|| nothing("–"), cell);
    Row {
        colour: plot::css(index),
        name: entry.step.clone(),
        what: entry.what.clone(),
        cells: vec![gain, kept, spill],
        seconds: duration(entry.trained_seconds),
        memory: entry.peak_memory.map_or("–".to_owned(), megabytes),
    }
}

fn cell(found: &Measurement) -> Cell {
    let percent = |value: f64| (value * 100.0).clamp(0.0, 100.0);
    let interval = found.shown_interval();
    let about = match interval.is_empty() {
        true => format!("n {}", found.n),
        false => format!("{interval} · n {}", found.n),
    };
    let (low, high) = found
        .interval
        .map_or((found.value, found.value), |i| (i.low, i.high));
    Cell {
        value: Some(found.named()),
        about,
        share: (found.unit == Unit::Share).then(|| percent(found.value)),
        low: percent(low),
        span: (percent(high) - percent(low)).max(0.5),
    }
}

fn losses(results: &[StepResult]) -> anyhow::Result<String> {
    let series: Vec<plot::Series> = results
        .iter()
        .enumerate()
        .map(|(colour, result)| plot::Series {
            colour,
            points: result.curve.series("loss"),
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    plot::curves(&series, "optimiser step", "loss")
        .map_err(|error| anyhow::anyhow!("loss plot: {error}"))
}

fn tradeoff(entries: &[&Entry]) -> anyhow::Result<String> {
    let points: Vec<plot::Estimate> = entries
        .iter()
        .enumerate()
        .filter_map(|(colour, entry)| {
            let around = |found: &Measurement| {
                let (low, high) = found
                    .interval
                    .map_or((found.value, found.value), |i| (i.low, i.high));
                (found.unit == Unit::Share).then_some((low, found.value, high))
            };
            Some(plot::Estimate {
                colour,
                label: entry.step.clone(),
                x: around(entry.kept.as_ref()?)?,
                y: around(entry.gain.as_ref()?)?,
            })
        })
        .collect();
    if points.is_empty() {
        return Ok(String::new());
    }
    plot::estimates(
        &points,
        "kept: what was known before",
        "gain: what was to be learned",
    )
    .map_err(|error| anyhow::anyhow!("gain and kept plot: {error}"))
}

/// A row a probe, in the order they first appear; a column a step.
fn measurements(entries: &[&Entry]) -> Vec<Measured> {
    let mut probes: IndexMap<&str, &Measurement> = IndexMap::new();
    for found in entries.iter().flat_map(|entry| &entry.measurements) {
        probes.entry(&found.probe).or_insert(found);
    }
    let rows = probes.into_iter().map(|(probe, first)| Measured {
        probe: match first.on_training_data {
            true => format!("{probe} (training data)"),
            false => probe.to_owned(),
        },
        n: first.n,
        cells: entries
            .iter()
            .map(|entry| {
                let mut found = entry.measurements.iter();
                let found = found.find(|found| found.probe == probe)?;
                Some((found.shown(), found.shown_interval()))
            })
            .collect(),
    });
    rows.collect()
}

fn bits_rows(entries: &[&Entry]) -> Vec<BitsRow> {
    let with_bits = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.bits?)));
    with_bits
        .map(|(entry, bits)| BitsRow {
            model: entry.step.clone(),
            parameters: counted(bits.parameters as u64),
            names: format!("{:.0}", bits.names),
            values: format!("{:.0}", bits.values),
            ratio: format!("{:.3}", bits.ratio),
            max_ratio: format!("{:.3}", bits.max_ratio),
        })
        .collect()
}

/// Bits of knowledge about what each step was to teach, as text; empty where none was measured.
pub fn bits_table(entries: &[Entry]) -> String {
    let rows = bits_rows(&entries.iter().collect::<Vec<_>>());
    if rows.is_empty() {
        return String::new();
    }
    let width = rows.iter().map(|row| row.model.len()).max().unwrap_or(5);
    let mut out = format!(
        "{:<width$}  {:>10}  {:>10}  {:>10}  {:>14}  {:>15}\n",
        "bits of", "parameters", "name bits", "fact bits", "bits/parameter", "possible at most"
    );
    for row in rows {
        out.push_str(&format!(
            "{:<width$}  {:>10}  {:>10}  {:>10}  {:>14}  {:>15}\n",
            row.model, row.parameters, row.names, row.values, row.ratio, row.max_ratio
        ));
    }
    out
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes >> 20)
}

/// `838 k`, `2.46 M`.
fn counted(number: u64) -> String {
    match number {
        0..=9_999 => number.to_string(),
        10_000..=999_999 => format!("{:.0} k", number as f64 / 1e3),
        _ => format!("{:.2} M", number as f64 / 1e6),
    }
}
