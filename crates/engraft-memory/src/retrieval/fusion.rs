//! One list of several: by scores, by ranks, without near repetitions, within a budget. Plain functions,
//! to be put together as a search needs them.

mod budget;
mod diversity;
mod duplicates;
mod ranks;
mod sums;

pub use budget::{Budgeted, LeftOut, Offer, budget};
pub use diversity::{mmr, mmr_one_pass};
pub use duplicates::{Alike, Deduplicated, Dropped, Near, Text, cosine, deduplicate, jaccard};
pub use ranks::{Rrf, rrf};
pub use sums::{Scored, minmax_sum};
