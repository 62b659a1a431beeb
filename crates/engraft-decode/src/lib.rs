//! Decoding: how the next token is chosen where a model's memory and its context may disagree.
//!
//! One method is one file in [`methods`], registered by one line there. A method reads logits and
//! inner states as plain slices; it knows nothing of how they are computed.

pub mod answer;
pub mod beam;
pub mod conditions;
pub mod graph;
pub mod heads;
pub mod logits;
pub mod method;
pub mod methods;
pub mod processors;
pub mod prompt;
pub mod reaction;
mod reference;
pub mod session;
pub mod steering;

pub use answer::{AnswerError, Chosen, Ended, Given, Go, Limits, answer, choosable, score};
pub use method::{DecodeEntry, DecodeMethod, Target, Way};
pub use prompt::{Prompt, Text};
pub use session::{Models, Next, Pasts, Session};
pub use steering::{Lens, Source, Steering, Step, Told, View};
