//! Every way of teaching and pruning beside the official implementations' numbers.

use engraft_continual::{methods, prunings};
use engraft_method::parity::{Check, holds};

fn checks() -> Vec<Check> {
    let teach = methods::all().into_iter().map(|entry| entry.method);
    let prune = prunings::all().into_iter().map(|entry| entry.method);
    teach
        .chain(prune)
        .chain([engraft_probe::priming::METHOD])
        .flat_map(|method| method.checks.iter().copied())
        .collect()
}

#[test]
fn parity_kore() {
    holds("kore", &checks());
}

#[test]
fn parity_mix_cpt() {
    holds("mix-cpt", &checks());
}

#[test]
fn parity_outlandish() {
    holds("outlandish", &checks());
}
