//! Paths that stay inside the repository.

use std::fmt;

/// A path below the root of a repository: parts joined by `/`, none of them `.` or `..`, none of them
/// Git's own folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryPath(String);

/// Why a path from an answer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty; name a file of the repository")]
    Empty,
    #[error("the path {0:?} is absolute; name the file from the root of the repository")]
    Absolute(String),
    #[error("the path {0:?} leaves the repository; name the file without `..`")]
    Outside(String),
    #[error("the path {0:?} lies in Git's own folder; name a file of the repository")]
    Git(String),
    #[error("the path {0:?} holds a control character; name the file without it")]
    Control(String),
}

impl RepositoryPath {
    /// Reads a path as a model wrote it; `./` and doubled slashes are dropped.
    ///
    /// # Errors
    /// If it is absolute, has a part `..` or `.git`, holds NUL or another control character, or names
    /// nothing.
    pub fn new(written: &str) -> Result<Self, PathError> {
        let said = || written.chars().take(200).collect::<String>();
        if written.chars().any(char::is_control) {
            return Err(PathError::Control(said()));
        }
        let drive =
            matches!(written.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
        if drive || written.starts_with(['/', '\\', '~']) {
            return Err(PathError::Absolute(said()));
        }
        // A backslash separates parts on some systems, so a part is looked for between both.
        let mut parts = written.split(['/', '\\']).map(str::trim);
        if parts.clone().any(|part| part == "..") {
            return Err(PathError::Outside(said()));
        }
        if parts.any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(PathError::Git(said()));
        }
        let parts = written.split('/').filter(|part| !matches!(*part, "" | "."));
        let joined = parts.collect::<Vec<_>>().join("/");
        if joined.is_empty() || written.ends_with('/') {
            return Err(PathError::Empty);
        }
        Ok(Self(joined))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::{PathError, RepositoryPath};

    #[test]
    fn a_path_is_kept_in_its_shortest_form() {
        let path = RepositoryPath::new("./pkg//sub/./m.py").unwrap();
        assert_eq!(path.as_str(), "pkg/sub/m.py");
    }

    #[test]
    fn what_leads_out_of_the_repository_is_refused() {
        let refused = |path: &str| RepositoryPath::new(path).unwrap_err();
        assert!(matches!(refused("/etc/passwd"), PathError::Absolute(_)));
        assert!(matches!(refused("~/x.py"), PathError::Absolute(_)));
        assert!(matches!(refused("C:\\x.py"), PathError::Absolute(_)));
        assert!(matches!(refused("a/../../x.py"), PathError::Outside(_)));
        assert!(matches!(refused("a\\..\\x.py"), PathError::Outside(_)));
        assert!(matches!(refused("a/b\0.py"), PathError::Control(_)));
        assert!(matches!(
            refused("a/.GIT/hooks/pre-commit"),
            PathError::Git(_)
        ));
        assert_eq!(refused("./"), PathError::Empty);
    }

    proptest! {
        #[test]
        fn a_path_that_is_kept_has_only_plain_parts(written in "[a./\\\\~:é\0 ]*") {
            if let Ok(path) = RepositoryPath::new(&written) {
                let parts = Path::new(path.as_str()).components();
                prop_assert!(parts.clone().count() > 0);
                for part in parts {
                    prop_assert!(matches!(part, Component::Normal(_)));
                }
            }
        }
    }
}
