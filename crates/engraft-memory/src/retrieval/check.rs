//! Retrieval beside the official implementations' results.

mod fusion;
mod mem0;
mod words;

use engraft_method::parity::{Case, Check, ParityError};

/// What is checked in here.
pub const CHECKS: &[Check] = &[
    check("experepair", "preprocess_text", words::preprocess_text),
    check(
        "experepair",
        "preprocess_traceback",
        words::preprocess_traceback,
    ),
    check("experepair", "bm25", words::bm25),
    check("experepair", "retrieve_ties", words::retrieve_ties),
    check("agent-baselines", "rrf", fusion::rrf),
    check("agent-baselines", "mmr", fusion::mmr),
    check(
        "agent-baselines",
        "mem0_bm25_parameters",
        mem0::bm25_parameters,
    ),
    check(
        "agent-baselines",
        "mem0_bm25_normalise",
        mem0::bm25_normalise,
    ),
    check("agent-baselines", "mem0_rank", mem0::rank),
    check("agent-baselines", "mem0_entity_boost", mem0::entity_boost),
];

const fn check(
    slug: &'static str,
    kind: &'static str,
    run: fn(&mut Case) -> Result<(), ParityError>,
) -> Check {
    Check { slug, kind, run }
}
