//! Which files a model is shown to choose from.

use std::collections::BTreeMap;

/// A file of tests: a part of its path is `test` or `tests`, or its name ends in `_test.py`.
pub fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "test" | "tests")) || path.ends_with("_test.py")
}

/// A folder by name; a file is a folder without entries.
#[derive(Default)]
struct Folder<'a>(BTreeMap<&'a str, Folder<'a>>);

/// The Python files among `paths` as a tree: an entry a line, four spaces a level, folders with a `/`, in
/// the order of their names. Every entry whose name begins with `test` is left out with all below it.
pub fn tree_listing<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    let mut root = Folder::default();
    for path in paths {
        let parts = || path.split('/').filter(|part| !part.is_empty());
        if !path.ends_with(".py") || parts().any(|part| part.starts_with("test")) {
            continue;
        }
        let mut folder = &mut root;
        for part in parts() {
            folder = folder.0.entry(part).or_default();
        }
    }
    let mut listing = String::new();
    let mut open = vec![root.0.into_iter()];
    while let Some(entries) = open.last_mut() {
        let Some((name, folder)) = entries.next() else {
            open.pop();
            continue;
        };
        let end = if folder.0.is_empty() { "\n" } else { "/\n" };
        listing.extend(std::iter::repeat_n("    ", open.len() - 1));
        listing.extend([name, end]);
        open.push(folder.0.into_iter());
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::tree_listing;

    #[test]
    fn a_tree_without_tests_and_without_what_is_not_python() {
        let paths = [
            "setup.py",
            "pkg/b.py",
            "pkg/a/z.py",
            "README.md",
            "pkg/tests/x.py",
            "pkg/testing.py",
            "docs/x.txt",
        ];
        let expected = "pkg/\n    a/\n        z.py\n    b.py\nsetup.py\n";
        assert_eq!(tree_listing(paths), expected);
    }
}
