//! Workflows over a chat model, with a memory that people can read.
//!
//! An agent works at a [`Desk`]: two chat models with an account of what they cost, an executor that runs
//! commands where they can do no harm, a work copy of the repository, and a record of everything that was said.
//! [`methods`] holds the published ones.

pub mod batch;
pub mod chat;
pub mod compose;
pub mod desk;
pub mod edits;
pub mod execute;
pub mod locate;
pub mod methods;
mod parity;
pub mod peers;
pub mod python;
pub mod record;
pub mod replies;
pub mod selection;
pub mod swebench;
pub mod task;
pub mod workcopy;

pub use chat::{Answer, ChatError, ChatModel, Request, Usage};
pub use desk::{Desk, DeskError, Who};
pub use execute::{ExecuteError, Executor, Limits, Outcome, Sandbox, Stopped, Unsandboxed};
pub use parity::checks;
pub use record::{Record, RecordError};
pub use task::Task;
pub use workcopy::{Changes, WorkCopy, WorkCopyError, apply_to_user_tree};
