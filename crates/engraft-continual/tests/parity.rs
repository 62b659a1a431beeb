//! Every way of teaching and pruning beside the official implementations' numbers.

use engraft_continual::{methods, prunings};
use engraft_method::parity::{Check, folder, run};

fn holds(slug: &str) {
    let teach = methods::all().into_iter().map(|entry| entry.method);
    let prune = prunings::all().into_iter().map(|entry| entry.method);
    let probes = [engraft_probe::priming::METHOD];
    let checks: Vec<Check> = teach
        .chain(prune)
        .chain(probes)
        .flat_map(|method| method.checks.iter().copied())
        .collect();
    let report = run(&folder(), slug, &checks).expect("readable cases");
    println!("{slug}: {} cases", report.cases);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    if std::env::var_os("ENGRAFT_PARITY").is_none() {
        assert!(report.cases > 0, "the repository carries cases for {slug}");
    }
}

#[test]
fn parity_kore() {
    holds("kore");
}

#[test]
fn parity_mix_cpt() {
    holds("mix-cpt");
}

#[test]
fn parity_outlandish() {
    holds("outlandish");
}
