//! What every method declares, whatever room it lives in: its page, its settings, its needs and
//! the reference numbers it answers for.
//!
//! A method is one file. Its module documentation is its page, the fields of its configuration
//! are its settings, and one line in its room registers it. Recipes, the command line, the book
//! and the parity tests read all of that from here, so nothing else knows a method's name.

pub mod needs;
pub mod page;
pub mod parity;
pub mod settings;
pub mod suggest;

pub use needs::{Need, Offer, unmet};
pub use page::Page;
pub use settings::{Field, Settings};
pub use suggest::nearest;

/// What is known about a method without building it.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// As recipes and flags write it: `forward-kl`.
    pub name: &'static str,
    /// What a user does with it: `distill`, `probe`.
    pub verb: &'static str,
    /// The whole source file; its documentation is the method's page.
    pub source: &'static str,
    pub needs: &'static [Need],
    pub fields: fn() -> Vec<Field>,
    /// The reference cases it answers for.
    pub checks: &'static [parity::Check],
}

impl Method {
    /// The method's page, from its documentation.
    pub fn page(&self) -> Page {
        Page::parse(self.source)
    }
}
