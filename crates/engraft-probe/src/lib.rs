//! Measurements with intervals: what a model knows, keeps and spills, how many bits it holds; and
//! the ledger that remembers what every step did.

pub mod accuracy;
pub mod capacity;
pub mod interval;
pub mod knowledge;
pub mod ledger;
pub mod measurement;
pub mod priming;
pub mod score;

pub use interval::{Interval, bootstrap, paired};
pub use ledger::{Entry, Ledger, LedgerError};
pub use measurement::{Measurement, Probe};
pub use score::{Passage, SpanScore, score};
