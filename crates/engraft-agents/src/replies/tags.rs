//! Fields that an answer puts between tags: `<advice>..</advice>`.

use std::borrow::Cow;

use crate::python::strings::strip;

/// The judge's word on a test script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestVerdict {
    pub analysis: String,
    /// As the judge wrote it: `YES` or `NO` was asked for.
    pub correct: String,
    pub advice: String,
}

impl TestVerdict {
    /// The script shows the issue.
    pub fn accepts(&self) -> bool {
        self.correct == "YES"
    }
}

/// What a reviewer makes of a patch, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    pub analysis: String,
    pub advice: String,
}

/// Reads `test_analysis`, `test_correct` and `test_advice`, in upper or lower case, the first of each;
/// `None` if one is missing.
pub fn test_verdict(answer: &str) -> Option<TestVerdict> {
    Some(TestVerdict {
        analysis: tagged(answer, "test_analysis")?,
        correct: tagged(answer, "test_correct")?,
        advice: tagged(answer, "test_advice")?,
    })
}

/// Reads `patch_analysis` and `patch_advice`; the closing tag of the advice may be missing.
pub fn review_advice(answer: &str) -> Option<Advice> {
    advice(answer, "patch_analysis", "patch_advice")
}

/// Reads `analysis` and `advice`; the closing tag of the advice may be missing.
pub fn suggestion(answer: &str) -> Option<Advice> {
    advice(answer, "analysis", "advice")
}

fn advice(answer: &str, analysis: &str, advice: &str) -> Option<Advice> {
    let answer = closed(answer, analysis, advice);
    Some(Advice {
        analysis: tagged(&answer, analysis)?,
        advice: tagged(&answer, advice)?,
    })
}

/// The answer with the last closing tag, which models leave out when they reach the token limit.
fn closed<'a>(answer: &'a str, analysis: &str, advice: &str) -> Cow<'a, str> {
    let has = |tag: String| answer.contains(&tag);
    let end = format!("</{advice}>");
    let cut = has(format!("<{analysis}>"))
        && has(format!("</{analysis}>"))
        && has(format!("<{advice}>"))
        && !has(end.clone());
    if cut {
        Cow::Owned(format!("{answer}{end}"))
    } else {
        Cow::Borrowed(answer)
    }
}

/// What stands between the first `<tag>` and the next `</tag>`, in upper or lower case.
fn tagged(answer: &str, tag: &str) -> Option<String> {
    let open = format!("<{tag}>");
    let start = find_in_any_case(answer, &open)? + open.len();
    let content = &answer[start..];
    let end = find_in_any_case(content, &format!("</{tag}>"))?;
    Some(strip(&content[..end]).to_owned())
}

/// Where an ASCII text that begins with `<` first stands. A place found is a boundary of characters,
/// since a byte equal to one of ASCII is never part of another character.
fn find_in_any_case(text: &str, tag: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    text.match_indices('<').map(|(at, _)| at).find(|&at| {
        bytes
            .get(at..at + tag.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(tag.as_bytes()))
    })
}

/// All that stands between an `open` and the next `close` after it.
pub(crate) fn all_between<'a>(
    text: &'a str,
    open: &'a str,
    close: &'a str,
) -> impl Iterator<Item = &'a str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(open)?;
        let (content, after) = after.split_once(close)?;
        rest = after;
        Some(content)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{all_between, review_advice, suggestion, test_verdict};

    #[test]
    fn an_analysis_without_an_end_takes_no_advice() {
        assert_eq!(suggestion("<analysis>a<advice>b</advice>"), None);
    }

    #[test]
    fn ten_megabytes_of_openings_are_read_in_one_go() {
        let hostile = "<patch_analysis><test_analysis><file>".repeat(300_000);
        let began = Instant::now();
        assert_eq!(review_advice(&hostile), None);
        assert_eq!(test_verdict(&hostile), None);
        assert_eq!(all_between(&hostile, "<file>", "</file>").count(), 0);
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>(), tags in "(<|>|/|test_|patch_|analysis|advice|é|ſ)*") {
            for text in [text, tags] {
                let _ = (test_verdict(&text), review_advice(&text), suggestion(&text));
            }
        }

        #[test]
        fn rendered_advice_comes_back(analysis in "[a-z\né]*", advice in "[a-z\né]*") {
            let answer = format!("x<ANALYSIS> {analysis} </analysis>\n<Advice>{advice}</advice>");
            let read = suggestion(&answer).unwrap();
            prop_assert_eq!(read.analysis.as_str(), analysis.trim());
            prop_assert_eq!(read.advice.as_str(), advice.trim());
        }
    }
}
