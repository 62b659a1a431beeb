//! The text of an issue without what its form left in it.

use crate::python::strings::strip;

/// Without HTML comments, white space around lines and empty lines. A comment that is never closed is
/// text.
pub fn clean_issue(issue: &str) -> String {
    let text = without_comments(issue);
    let lines = text.split('\n').map(strip).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        let Some((_, after)) = comment.split_once("-->") else {
            break;
        };
        kept.push_str(before);
        rest = after;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::clean_issue;

    #[test]
    fn a_comment_without_an_end_stays() {
        assert_eq!(clean_issue("a <!-- b\n c"), "a <!-- b\nc");
    }

    proptest! {
        #[test]
        fn no_line_of_a_clean_issue_is_empty_or_has_space_at_its_ends(text in "([a-z<>! \n\té-]|<!--|-->)*") {
            let clean = clean_issue(&text);
            for line in clean.lines() {
                prop_assert!(!line.is_empty());
                prop_assert_eq!(line.trim(), line);
            }
        }
    }
}
