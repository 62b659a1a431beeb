//! Entity names beside Graphiti's results.

use std::collections::BTreeSet;

use engraft_method::parity::{Case, Check, Differences, ParityError, read};
use serde::Deserialize;

use super::{distinctive, entropy, exact_name, fuzzy_name, shingles, signature};
use crate::retrieval::fusion::jaccard;

/// What is checked in here.
pub const CHECKS: &[Check] = &[Check {
    slug: "agent-baselines",
    kind: "entity_dedup",
    run: entity_dedup,
}];

fn entity_dedup(case: &mut Case) -> Result<(), ParityError> {
    #[derive(Deserialize)]
    struct Name {
        name: String,
        exact: String,
        fuzzy: String,
        entropy: f64,
        fuzzy_allowed: bool,
        shingles: Vec<String>,
        minhash_first4: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Pair {
        a: String,
        b: String,
        jaccard: f64,
        share_a_band: bool,
    }
    #[derive(Deserialize)]
    struct Document {
        names: Vec<Name>,
        pairs: Vec<Pair>,
    }
    let document: Document = read(case.document()?)?;
    let mut differences = Differences::within(1e-12);
    for want in &document.names {
        let name = &want.name;
        let fuzzy = fuzzy_name(name);
        let pieces = shingles(&fuzzy);
        let hashes = signature(&pieces);
        let hashes: Vec<String> = hashes
            .iter()
            .flat_map(|signature| signature.hashes().iter().take(4).map(u64::to_string))
            .collect();
        let pieces: Vec<String> = pieces.into_iter().collect();
        differences.equal(format!("exact of {name}"), &exact_name(name), &want.exact);
        differences.equal(format!("fuzzy of {name}"), &fuzzy, &want.fuzzy);
        differences.near(format!("entropy of {name}"), entropy(&fuzzy), want.entropy);
        let allowed = distinctive(&fuzzy);
        differences.equal(
            format!("fuzzy_allowed of {name}"),
            &allowed,
            &want.fuzzy_allowed,
        );
        differences.equal(format!("shingles of {name}"), &pieces, &want.shingles);
        differences.equal(format!("minhash of {name}"), &hashes, &want.minhash_first4);
    }
    for want in &document.pairs {
        let place = format!("{} and {}", want.a, want.b);
        let pieces = [&want.a, &want.b].map(|name| shingles(&fuzzy_name(name)));
        let [a, b]: [&BTreeSet<String>; 2] = [&pieces[0], &pieces[1]];
        let signatures = signature(a).zip(signature(b));
        let share = signatures.is_some_and(|(a, b)| a.shares_a_band(&b));
        differences.near(format!("jaccard of {place}"), jaccard(a, b), want.jaccard);
        differences.equal(
            format!("share_a_band of {place}"),
            &share,
            &want.share_a_band,
        );
    }
    differences.told()
}
