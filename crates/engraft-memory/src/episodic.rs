//! What was tried on earlier issues, as demonstrations for later ones: what was wrong, what was right.
//!
//! A store keeps the attempts at an issue, in their order, as one item ([`crate::Kind::Episode`]); which items an
//! issue may learn from is said by a [`crate::Filter`]. An attempt that failed is paired with the first later one
//! that succeeded; such pairs are the pool in which a new attempt looks for what resembles it, by the words of the
//! issue, of the script, of what running it printed, or of the patch. The method is ExpeRepair (arXiv 2506.10484).

mod attempt;
mod check;
mod pairing;
mod search;

pub use attempt::{PatchAttempt, TestAttempt, Verdict};
pub use check::CHECKS;
pub use pairing::{Demonstration, patch_demonstrations, test_demonstrations};
pub use search::{
    FeedbackWeights, InitialWeights, PatchWeights, Retrieval, Retrieved, TestQuery,
    retrieve_patches, retrieve_tests,
};
