//! Edits that models write as search and replace blocks: read, placed in a program, applied.
//!
//! ````text
//! ```
//! <file>pkg/m.py</file>
//! <original>    return 2</original>
//! <patched>    return 3</patched>
//! ```
//! ````
//!
//! Lines are compared without the white space at their ends, and the first place that matches is
//! taken. Since models get indentation wrong, two guesses are tried; in Python the first one whose
//! program has no syntax error wins. A path in an answer is data from outside and never leaves the
//! repository ([`RepositoryPath`]).

mod apply;
mod check;
mod language;
mod parse;
mod patch;
mod path;

pub use apply::{Applied, EditError, SyntaxCheck, apply};
pub use check::CHECKS;
pub use language::Language;
pub use parse::{Edit, parse};
pub use patch::{Outcome, Patched, Refused, patch};
pub use path::{PathError, RepositoryPath};
