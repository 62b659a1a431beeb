//! Model files in and out: safetensors, GGUF, configurations, tokenizers, chat templates.
//!
//! Nothing here computes with a model: networks that train and the runtime that decodes both read
//! their files through this crate.

pub mod atomic;
pub mod chat;
pub mod checkpoint;
pub mod config;
pub mod extent;
pub mod format;
pub mod gguf;
pub mod llama;
pub mod lock;
pub mod rope;
pub mod safetensors;
pub mod stored;
pub mod tokenizer;

pub use atomic::{WriteError, is_leftover, write_file, write_folder};
pub use chat::{ChatError, ChatTemplate, Message};
pub use checkpoint::{Checkpoint, FolderError};
pub use config::SpecError;
pub use extent::Extent;
pub use format::Format;
pub use gguf::GgufError;
pub use llama::LlamaSpec;
pub use lock::Lock;
pub use rope::RopeScaling;
pub use safetensors::WeightsError;
pub use stored::Stored;
pub use tokenizer::Tokenizer;
