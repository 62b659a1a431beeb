//! Every distillation method beside the official implementations' numbers.

use engraft_distill::all;
use engraft_method::parity::{Check, holds};

fn checks() -> Vec<Check> {
    let entries = all().into_iter();
    entries
        .flat_map(|entry| entry.method.checks.iter().copied())
        .collect()
}

#[test]
fn parity_kd_baselines() {
    holds("kd-baselines", &checks());
}

#[test]
fn parity_taid() {
    holds("taid", &checks());
}
