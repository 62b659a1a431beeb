//! From places that a model names to the code that is shown for them.

mod check;
mod files;
mod issue;
mod lines;
mod resolve;
mod shown;

pub use check::CHECKS;
pub use files::{is_test_file, tree_listing};
pub use issue::clean_issue;
pub use lines::{Lines, WindowRule, window};
pub use resolve::{Snippet, snippets};
pub use shown::{
    MOST_LINES, at_most, distinct, listing, shown, without_contained, without_dangling_header,
};
