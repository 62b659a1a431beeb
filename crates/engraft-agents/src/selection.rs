//! One patch out of many: without repetitions, grouped by what they do, ranked by reviews, or voted for.

mod check;
mod group;
mod pass;
mod rank;
mod vote;

pub use check::CHECKS;
pub use group::{Group, deduplicate, group_by_output};
pub use pass::patch_passes;
pub use rank::{MissingRank, borda, mean_rank};
pub use vote::{Candidate, Evidence, majority_ranking, majority_vote, modified_length};
