//! What engraft offers to other programs.
//!
//! Today that is one thing: a memory that people can read, for any client of the Model Context Protocol
//! ([`mcp`]).

pub mod mcp;
