//! Trainable networks whose inner signals can be read and replaced, and their files.

pub mod batch;
pub mod bert;
pub mod folder;
pub mod gpt;
mod init;
pub mod linear;
pub mod llama;
pub mod mlp;
pub mod network;
pub mod parameter;
pub mod peft;
mod recompute;
pub mod resnet;
pub mod spec;
mod tokens;
pub mod weights;

pub use batch::{Batch, IGNORE, Input};
pub use bert::SentenceEncoder;
pub use engraft_files::{
    self as files, ChatError, ChatTemplate, Extent, FolderError, GgufError, Message, SpecError,
    Tokenizer,
};
pub use engraft_ops::{Head, Logits};
pub use folder::{Loaded, load_folder, save_folder};
pub use linear::{Delta, DeltaError, Linear};
pub use network::{Capabilities, Mode, Network, Signals, Taps};
pub use parameter::{Parameter, Role, Value};
pub use peft::{PeftError, load_adapter, save_adapter};
pub use spec::{InputShape, Spec, create, from_config, keep_layers};
pub use weights::{content_hash, load_into};
