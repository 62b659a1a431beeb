//! Which snippets are shown, and how much of them.

use std::collections::HashSet;

use super::{Lines, Snippet};

/// Most lines of code that are shown together.
pub const MOST_LINES: usize = 2400;

/// Each code once, where it stands first.
pub fn distinct(mut snippets: Vec<Snippet>) -> Vec<Snippet> {
    let mut seen = HashSet::new();
    snippets.retain(|snippet| seen.insert(snippet.code.clone()));
    snippets
}

/// Without snippets whose code, stripped, is part of another one's. Of equal ones the first stays; the
/// released code lets them remove each other.
pub fn without_contained(snippets: Vec<Snippet>) -> Vec<Snippet> {
    let codes: Vec<&str> = snippets.iter().map(|snippet| snippet.code.trim()).collect();
    let contained = |index: usize| {
        codes.iter().enumerate().any(|(other, code)| {
            let equal = code.len() == codes[index].len();
            other != index && code.contains(codes[index]) && (!equal || other < index)
        })
    };
    let kept: Vec<bool> = (0..codes.len()).map(|index| !contained(index)).collect();
    let snippets = snippets.into_iter().zip(kept);
    snippets
        .filter_map(|(snippet, kept)| kept.then_some(snippet))
        .collect()
}

/// Without a last line that only begins a class or function, which would be shown without its body.
pub fn without_dangling_header(snippet: Snippet) -> Snippet {
    let Some((before, last)) = snippet.code.rsplit_once('\n') else {
        return snippet;
    };
    let last = last.trim_start();
    let header = ["def ", "async def ", "class "]
        .iter()
        .any(|word| last.starts_with(word));
    if !header {
        return snippet;
    }
    let count = before.split('\n').count();
    snippet.cut_to(count).unwrap_or(snippet)
}

/// The first snippets up to so many lines together; the one that goes beyond is cut.
pub fn at_most(lines: usize, snippets: Vec<Snippet>) -> Vec<Snippet> {
    let mut left = lines;
    let mut shown = Vec::new();
    for snippet in snippets {
        let count = snippet.line_count().min(left);
        shown.extend(snippet.cut_to(count));
        left -= count;
    }
    shown
}

/// What is shown of all places: each once, none within another, no header without its body, up to
/// [`MOST_LINES`] lines together.
pub fn shown(snippets: Vec<Snippet>) -> Vec<Snippet> {
    let snippets = without_contained(distinct(snippets));
    let snippets = snippets.into_iter().map(without_dangling_header);
    at_most(MOST_LINES, snippets.collect())
}

/// Places as a prompt shows them, each under its file and lines.
pub fn listing(snippets: &[Snippet]) -> String {
    let listed = snippets.iter().map(|snippet| {
        let Lines { first, last } = snippet.lines;
        format!(
            "### {} lines {first}-{last}\n{}\n",
            snippet.path, snippet.code
        )
    });
    listed.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{at_most, distinct, without_contained, without_dangling_header};
    use crate::locate::{Lines, Snippet};

    fn snippet(code: &str) -> Snippet {
        Snippet {
            path: "m.py".to_owned(),
            lines: Lines {
                first: 3,
                last: 2 + code.split('\n').count(),
            },
            code: code.to_owned(),
        }
    }

    fn codes(snippets: Vec<Snippet>) -> Vec<String> {
        snippets.into_iter().map(|snippet| snippet.code).collect()
    }

    #[test]
    fn of_equal_snippets_the_first_stays_and_parts_of_others_go() {
        let all = ["b", " a\nb", "a\nb\n", "c"].map(snippet);
        assert_eq!(codes(without_contained(all.to_vec())), [" a\nb", "c"]);
        let all = ["a", "b", "a", " a"].map(snippet);
        assert_eq!(codes(distinct(all.to_vec())), ["a", "b", " a"]);
    }

    #[test]
    fn a_header_without_its_body_is_not_shown() {
        let cut = without_dangling_header(snippet("x = 1\n    async def f():"));
        assert_eq!((cut.code.as_str(), cut.lines.last), ("x = 1", 3));
        let one = snippet("class K: pass");
        assert_eq!(without_dangling_header(one.clone()), one);
    }

    #[test]
    fn the_snippet_that_goes_beyond_is_cut_and_later_ones_are_left_out() {
        let shown = at_most(3, ["a\nb", "c\nd", "e"].map(snippet).to_vec());
        assert_eq!(codes(shown), ["a\nb", "c"]);
    }

    proptest! {
        #[test]
        fn what_is_kept_contains_all_that_is_not(texts in prop::collection::vec("[ab\n]{0,4}", 0..6)) {
            let all: Vec<Snippet> = texts.iter().map(|text| snippet(text)).collect();
            let kept = without_contained(all.clone());
            for one in &all {
                prop_assert!(kept.iter().any(|other| other.code.contains(one.code.trim())));
            }
        }
    }
}
