//! What a program is written in, as far as edits need to know.

/// A language whose syntax can be checked, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Python,
    Other,
}

impl Language {
    /// By the ending of a path.
    pub fn of(path: &str) -> Self {
        if [".py", ".pyi", ".pyw"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            Self::Python
        } else {
            Self::Other
        }
    }
}
