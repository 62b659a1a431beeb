//! The numbers of a ledger, without what may differ from run to run.

use std::path::Path;

use serde_json::Value;

use super::Workplace;

/// The entries of a ledger but for times and memory.
pub fn numbers(place: &Workplace, ledger: impl AsRef<Path>) -> Vec<Value> {
    let text = place.read(ledger);
    let entries = text.lines().map(|line| {
        let mut entry: Value = serde_json::from_str(line).expect("a line of JSON");
        let fields = entry.as_object_mut().expect("an entry is a mapping");
        for key in ["time", "trained_seconds", "measured_seconds", "peak_memory"] {
            fields.remove(key).expect("the entry has all its fields");
        }
        entry
    });
    entries.collect()
}

/// The value of the first measurement whose name begins so, in the last entry of a ledger.
pub fn measured(place: &Workplace, ledger: impl AsRef<Path>, probe: &str) -> f64 {
    let entries = numbers(place, ledger);
    let last = entries.last().expect("an entry");
    let found = last["measurements"].as_array().expect("a list").iter();
    let mut found = found.filter(|found| {
        let name = found["probe"].as_str().expect("a name");
        name.starts_with(probe)
    });
    let value = found
        .next()
        .unwrap_or_else(|| panic!("no `{probe}` in {last}"));
    value["value"].as_f64().expect("a number")
}
