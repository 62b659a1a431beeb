//! What memory and agents compute beside the numbers of the official implementations: of both slugs every kind.

use engraft_method::parity::{Check, holds};

fn checks() -> Vec<Check> {
    [engraft_memory::checks(), engraft_agents::checks()].concat()
}

#[test]
fn parity_experepair() {
    holds("experepair", &checks());
}

#[test]
fn parity_agent_baselines() {
    holds("agent-baselines", &checks());
}
