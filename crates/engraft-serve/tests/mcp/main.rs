//! A memory over the Model Context Protocol, as clients see it.

mod client;
mod meaning;
mod sharing;
mod tools;
mod wire;
