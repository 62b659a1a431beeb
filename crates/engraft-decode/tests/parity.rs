//! Every decoding method beside the official implementations' numbers.

use engraft_decode::methods;
use engraft_method::parity::{Check, holds};

fn checks() -> Vec<Check> {
    let methods = methods::all().into_iter().map(|entry| entry.method);
    methods
        .flat_map(|method| method.checks.iter().copied())
        .collect()
}

#[test]
fn parity_decoding_baselines() {
    holds("decoding-baselines", &checks());
}

#[test]
fn parity_ck_plug() {
    holds("ck-plug", &checks());
}

#[test]
fn parity_coda() {
    holds("coda", &checks());
}

#[test]
fn parity_overshadowing() {
    holds("overshadowing", &checks());
}

#[test]
fn parity_lfd() {
    holds("lfd", &checks());
}

#[test]
fn parity_grad() {
    holds("grad", &checks());
}

#[test]
fn parity_opera() {
    holds("opera", &checks());
}

#[test]
fn parity_ph3() {
    holds("ph3", &checks());
}

#[test]
fn parity_kid() {
    holds("kid", &checks());
}
