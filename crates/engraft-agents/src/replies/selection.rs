//! Lists of patch numbers: `<rank_patch>[2, 0, 1]</rank_patch>`.

use crate::python::strings::strip;

/// Why a list of numbers could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("the answer has no <{0}>[..]</{0}>; ask again")]
    Missing(String),
    #[error("<{tag}> holds `{entry}`, which is not an integer; ask again")]
    NotInteger { tag: String, entry: String },
}

/// The integers of each tag's first list, in the order of `tags`. Whether they are numbers of patches
/// that exist is the caller's to check.
///
/// # Errors
/// If a tag is missing, does not enclose exactly one list, or holds anything but integers.
pub fn selection(answer: &str, tags: &[&str]) -> Result<Vec<Vec<i64>>, SelectionError> {
    tags.iter().map(|tag| integers(answer, tag)).collect()
}

fn integers(answer: &str, tag: &str) -> Result<Vec<i64>, SelectionError> {
    let content = answer
        .split_once(&format!("<{tag}>["))
        .and_then(|(_, after)| after.split_once(&format!("]</{tag}>")))
        .map(|(content, _)| strip(content));
    let content = content.ok_or_else(|| SelectionError::Missing(tag.to_owned()))?;
    if content.is_empty() {
        return Ok(Vec::new());
    }
    content
        .split(',')
        .map(|entry| {
            strip(entry)
                .parse()
                .map_err(|_| SelectionError::NotInteger {
                    tag: tag.to_owned(),
                    entry: entry.chars().take(40).collect(),
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SelectionError, selection};

    #[test]
    fn an_answer_without_the_tag_says_which() {
        let error = selection("<a>[1]</a>", &["a", "b"]).unwrap_err();
        assert_eq!(error, SelectionError::Missing("b".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>(), tags in "(<a>|\\[|\\]|</a>|1|,|é)*") {
            let _ = (selection(&text, &["a"]), selection(&tags, &["a"]));
        }

        #[test]
        fn rendered_numbers_come_back(numbers in prop::collection::vec(any::<i64>(), 0..9)) {
            let answer = format!("so: <rank>{numbers:?}</rank>.");
            prop_assert_eq!(selection(&answer, &["rank"]).unwrap(), vec![numbers]);
        }
    }
}
