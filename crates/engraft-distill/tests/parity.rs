//! Every distillation method beside the official implementations' numbers.

use engraft_distill::all;
use engraft_method::parity::{Check, folder, run};

fn holds(slug: &str) {
    let checks: Vec<Check> = all()
        .iter()
        .flat_map(|entry| entry.method.checks.iter().copied())
        .collect();
    let report = run(&folder(), slug, &checks).expect("readable cases");
    println!("{slug}: {} cases", report.cases);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    if std::env::var_os("ENGRAFT_PARITY").is_none() {
        assert!(report.cases > 0, "the repository carries cases for {slug}");
    }
}

#[test]
fn parity_kd_baselines() {
    holds("kd-baselines");
}

#[test]
fn parity_taid() {
    holds("taid");
}
