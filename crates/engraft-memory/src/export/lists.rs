//! The names of the files of lists: readable, safe on every disk, and never the same for two lists.

use crate::Draft;

/// Longest part of a name that is written out.
const LONGEST: usize = 60;

/// The file that an item belongs into: `insight.django.tester.md`.
pub(super) fn file_name(content: &Draft) -> String {
    let (scope, role) = (part(&content.scope), part(&content.role));
    format!("{}.{scope}.{role}.md", content.kind.name())
}

/// A scope or role as part of a name. Where characters had to go, a hash tells it from others: disks that
/// take upper and lower case for the same are among the reasons.
fn part(name: &str) -> String {
    let safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.len() <= LONGEST && name.chars().all(safe) {
        return name.to_owned();
    }
    let readable = name.to_lowercase();
    let readable = readable.chars().map(|c| if safe(c) { c } else { '-' });
    let readable: String = readable.take(LONGEST).collect();
    let hash = blake3::hash(name.as_bytes()).to_hex();
    format!("{readable}~{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn two_lists_never_share_a_file() {
        let name = |scope: &str, role: &str| {
            file_name(&Draft {
                scope: scope.into(),
                role: role.into(),
                ..Draft::new(Kind::Note, "x")
            })
        };
        assert_eq!(name("django", "tester"), "note.django.tester.md");
        assert_eq!(name("", ""), "note...md");
        let lists = [
            ("a", "b"),
            ("a-b", ""),
            ("", "a-b"),
            ("a/b", ""),
            ("a.b", ""),
            ("A-b", ""),
            ("a b", ""),
            ("../../etc", ""),
        ];
        let mut names = lists.map(|(scope, role)| name(scope, role)).to_vec();
        assert!(
            names
                .iter()
                .all(|name| !name.contains('/') && name.starts_with("note."))
        );
        names.sort();
        names.dedup();
        assert_eq!(names.len(), lists.len());
        assert!(name(&"x".repeat(5000), &"y".repeat(5000)).len() < 200);
    }
}
