//! Python source as repair has to see it: whether its syntax is right, what its skeleton is, where its
//! classes and functions are, and whether two programs differ in more than comments and layout.
//!
//! All of it reads the syntax tree of tree-sitter, which never refuses a text: it marks what it could
//! not read and goes on. Nothing here recurses, so that deep nesting costs no stack.

mod check;
mod normal;
mod search;
mod skeleton;
pub mod strings;
mod syntax;
mod tree;

pub use check::CHECKS;
pub use normal::without_comments_and_docstrings;
pub use search::{find_class, find_method, find_method_in_class};
pub use skeleton::skeleton;
pub use syntax::{Position, syntax_error};
