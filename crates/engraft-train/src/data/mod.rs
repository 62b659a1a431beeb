//! Data sets as sources of batches, and the readers of their files.

pub mod biographies;
pub mod biography_source;
pub mod error;
pub mod facts;
pub mod file;
pub mod general;
pub mod image_files;
pub mod images;
pub mod invented;
pub mod lists;
pub mod order;
pub mod people;
pub mod replay;
pub mod sequences;
pub mod text;

pub use biographies::{Biography, Span};
pub use biography_source::{BiographyOptions, BiographySource};
pub use error::DataError;
pub use facts::{Fact, FactReader, Statement, Turn, read_facts};
pub use image_files::{read_cifar10, read_idx};
pub use images::{Augment, ImageSource, Images, Normalization};
pub use lists::{Attribute, Lists};
pub use order::{Order, Sampling, spread};
pub use people::{People, Person};
pub use replay::Replay;
pub use sequences::{Encoder, Marks, Sequence, pad};
pub use text::{Columns, Record, TextSource, read_jsonl, read_text, split};
