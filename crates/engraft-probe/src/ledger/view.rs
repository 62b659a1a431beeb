//! A ledger as text: the table, the difference of two entries, where a model comes from.

use serde_json::Value;

use super::Entry;
use crate::{
    Measurement,
    measurement::{Unit, show as show_value},
};

/// What the column of what was to be learned is called: a perplexity is no gain, it falls.
pub fn learned<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> &'static str {
    let mut gains = entries.into_iter().filter_map(|entry| entry.gain.as_ref());
    match gains.any(|gain| gain.unit == Unit::Perplexity) {
        true => "learned",
        false => "gain",
    }
}

/// The table: a line a step, every column as wide as its widest cell.
pub fn show(entries: &[Entry]) -> String {
    let learned = learned(entries);
    let head = ["step", learned, "kept (before)", "spill", "time", "memory"];
    let mut rows = vec![head.map(str::to_owned)];
    for entry in entries {
        let kept = match (&entry.kept, &entry.kept_before) {
            (Some(kept), Some(before)) => format!("{} ({})", brief(kept), before.shown()),
            (Some(kept), None) => brief(kept),
            _ => "–".to_owned(),
        };
        let or_dash = |found: &Option<Measurement>| found.as_ref().map_or("–".to_owned(), brief);
        let memory = entry
            .peak_memory
            .map_or("–".to_owned(), |bytes| format!("{} MB", bytes >> 20));
        rows.push([
            entry.step.clone(),
            or_dash(&entry.gain),
            kept,
            or_dash(&entry.spill),
            format!("{:.0}s", entry.trained_seconds),
            memory,
        ]);
    }
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            // Numbers end below each other, words begin so.
            4.. => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// `97.0 % ±2.1 (n 500)`, `perplexity 25.54 ±0.74 (n 9000)`; the interval's larger half.
fn brief(found: &Measurement) -> String {
    let half = found
        .interval
        .map(|interval| (interval.high - found.value).max(found.value - interval.low));
    match half {
        Some(half) => {
            let shown = show_value(half, found.unit);
            let bare = shown
                .trim_start_matches('+')
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
            format!("{} ±{bare} (n {})", found.named(), found.n)
        }
        None => format!("{} (n {})", found.named(), found.n),
    }
}

/// What differs between two entries: settings, inputs and measurements.
pub fn diff(before: &Entry, after: &Entry) -> String {
    let mut out = format!(
        "{} ({}) → {} ({})\n",
        before.step,
        short(&before.id),
        after.step,
        short(&after.id)
    );
    out.push_str("\nsettings\n");
    let mut changes = Vec::new();
    settings("", &before.config, &after.config, &mut changes);
    if before.seed != after.seed {
        changes.push(format!("seed: {} → {}", before.seed, after.seed));
    }
    for input in &after.inputs {
        let same = before.inputs.iter().find(|known| known.role == input.role);
        if same.is_none_or(|known| known.hash != input.hash) {
            let from = same.map_or("–", |known| known.name.as_str());
            changes.push(format!("{}: {from} → {}", input.role, input.name));
        }
    }
    if changes.is_empty() {
        changes.push("no difference".to_owned());
    }
    for change in changes {
        out.push_str(&format!("  {change}\n"));
    }
    out.push_str("\nmeasurements\n");
    for found in &after.measurements {
        let Some(known) = before
            .measurements
            .iter()
            .find(|known| known.probe == found.probe)
        else {
            out.push_str(&format!(
                "  {}: only after: {}\n",
                found.probe,
                found.shown()
            ));
            continue;
        };
        let overlap = match (known.interval, found.interval) {
            (Some(a), Some(b)) if a.high < b.low || b.high < a.low => "intervals apart",
            (Some(_), Some(_)) => "intervals overlap",
            _ => "no interval",
        };
        out.push_str(&format!(
            "  {}: {} → {} ({overlap})\n",
            found.probe,
            known.shown(),
            found.shown()
        ));
    }
    out
}

fn settings(path: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    let (Value::Object(a), Value::Object(b)) = (before, after) else {
        if before != after {
            out.push(format!("{path}: {before} → {after}"));
        }
        return;
    };
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let place = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let none = Value::Null;
        settings(
            &place,
            a.get(key).unwrap_or(&none),
            b.get(key).unwrap_or(&none),
            out,
        );
    }
}

/// The steps that led to an entry's model, the newest first, inputs indented below.
pub fn lineage(entries: &[Entry], of: &Entry) -> String {
    let mut out = String::new();
    trace(entries, of, 0, &mut out);
    out
}

fn trace(entries: &[Entry], of: &Entry, depth: usize, out: &mut String) {
    let hash = of.output.as_ref().map_or("–", |output| short(&output.hash));
    out.push_str(&format!(
        "{}{} [{hash}] {}\n",
        "  ".repeat(depth),
        of.step,
        of.what
    ));
    for input in &of.inputs {
        let maker = entries.iter().find(|entry| {
            entry
                .output
                .as_ref()
                .is_some_and(|made| made.hash == input.hash)
                && entry.id != of.id
        });
        match maker {
            Some(maker) => trace(entries, maker, depth + 1, out),
            None => {
                let place = "  ".repeat(depth + 1);
                out.push_str(&format!(
                    "{place}{}: {} [{}]\n",
                    input.role,
                    input.name,
                    short(&input.hash)
                ));
            }
        }
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interval, ledger::Artifact};
    use serde_json::json;

    fn entry(step: &str, made: &str, from: &str, value: f64) -> Entry {
        let artifact = |hash: &str| Artifact {
            role: "model".into(),
            name: hash.into(),
            hash: hash.into(),
        };
        Entry {
            id: step.into(),
            step: step.into(),
            config: json!({"train": {"lr": value}}),
            inputs: vec![artifact(from)],
            output: Some(artifact(made)),
            measurements: vec![Measurement {
                probe: "recall".into(),
                value,
                n: 10,
                interval: Some(Interval {
                    low: value - 0.01,
                    high: value + 0.01,
                }),
                unit: Unit::Share,
                on_training_data: false,
            }],
            ..Entry::default()
        }
    }

    #[test]
    fn long_cells_push_the_columns_after_them_and_never_run_into_them() {
        let found = |value: f64, unit| Measurement {
            probe: "recall".into(),
            value,
            n: 500,
            interval: Some(Interval {
                low: value - 0.022,
                high: value + 0.022,
            }),
            unit,
            on_training_data: false,
        };
        let teacher = entry("teacher", "t", "fresh", 0.5);
        let taught = Entry {
            gain: Some(found(0.97, Unit::Share)),
            kept: Some(found(0.064, Unit::Share)),
            kept_before: Some(found(0.48, Unit::Share)),
            spill: Some(found(0.0286, Unit::Points)),
            ..entry("taught-naively", "s", "t", 0.9)
        };
        let table = show(&[teacher, taught]);
        let lines: Vec<Vec<char>> = table.lines().map(|line| line.chars().collect()).collect();
        assert!(
            table.contains("6.4 % ±2.2 (n 500) (48.0 %)  +2.86 pp ±2.20 (n 500)  "),
            "{table}"
        );
        let starts = |words: &str| {
            let at = table.lines().next().unwrap().find(words).unwrap();
            // The header is plain ASCII, so a byte is a column.
            lines
                .iter()
                .all(|line| line[at - 1] == ' ' && line[at] != ' ')
        };
        for column in ["gain", "kept", "spill"] {
            assert!(starts(column), "{column}\n{table}");
        }
    }

    #[test]
    fn a_perplexity_is_named_and_not_called_a_gain() {
        let mut taught = entry("half", "s", "t", 79.2);
        taught.measurements[0].unit = Unit::Perplexity;
        taught.gain = taught.measurements.pop();
        let table = show(&[taught]);
        assert!(table.contains("  learned  "), "{table}");
        assert!(!table.contains("gain"), "{table}");
        assert!(table.contains("perplexity 79.20 ±0.01 (n 10)"), "{table}");
    }

    #[test]
    fn lineage_follows_hashes_and_diff_names_what_changed() {
        let all = [
            entry("teacher", "t", "fresh", 0.5),
            entry("student", "s", "t", 0.9),
        ];
        let tree = lineage(&all, &all[1]);
        assert!(
            tree.starts_with("student [s]") && tree.contains("\n  teacher [t]"),
            "{tree}"
        );
        assert!(tree.contains("    model: fresh"), "{tree}");
        let change = diff(&all[0], &all[1]);
        assert!(change.contains("train.lr: 0.5 → 0.9"), "{change}");
        assert!(
            change.contains("50.0 % → 90.0 % (intervals apart)"),
            "{change}"
        );
    }
}
