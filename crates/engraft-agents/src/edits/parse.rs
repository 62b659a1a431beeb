//! Edits in the fenced blocks of an answer.

use crate::{python::strings::strip, replies::all_between};

/// One replacement, as the model wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub file: String,
    /// The lines to find, without newlines at both ends.
    pub original: String,
    /// The lines to put in their place, without newlines at both ends.
    pub patched: String,
}

/// Lines by which models say that they left code out.
const PLACEHOLDERS: [&str; 1] = ["# Rest of the code..."];

/// All edits of an answer: within a fence, the k-th file, original and patched text belong together. A
/// fence stands at the start of its line; one that is never closed holds no edits.
pub fn parse(answer: &str) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut fenced: Option<Vec<&str>> = None;
    for line in answer.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with("```") {
            fenced = match fenced {
                None => Some(Vec::new()),
                Some(lines) => {
                    edits.extend(in_fence(&lines.join("\n")));
                    None
                }
            };
        } else if let Some(lines) = &mut fenced
            && !PLACEHOLDERS.contains(&strip(line))
        {
            lines.push(line);
        }
    }
    edits
}

fn in_fence(content: &str) -> Vec<Edit> {
    let files = all_between(content, "<file>", "</file>");
    let originals = all_between(content, "<original>", "</original>");
    let patched = all_between(content, "<patched>", "</patched>");
    files
        .zip(originals)
        .zip(patched)
        .map(|((file, original), patched)| Edit {
            file: strip(file).to_owned(),
            original: original.trim_matches('\n').to_owned(),
            patched: patched.trim_matches('\n').to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Edit, parse};

    #[test]
    fn ten_megabytes_of_openings_are_read_in_one_go() {
        let hostile = format!(
            "```\n{}\n```\n",
            "<file><original><patched>\n".repeat(400_000)
        );
        let began = Instant::now();
        assert!(parse(&hostile).is_empty());
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    fn rendered(edit: &Edit) -> String {
        let Edit {
            file,
            original,
            patched,
        } = edit;
        format!(
            "```\n<file>{file}</file>\n<original>\n{original}\n</original>\n<patched>\n{patched}\n</patched>\n```\n"
        )
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>(), tags in "(```|\n|</?file>|</?original>|</?patched>|é)*") {
            let _ = (parse(&text), parse(&tags));
        }

        #[test]
        fn rendered_edits_come_back(
            edits in prop::collection::vec(("[a-z/]{1,9}", "[a-z é]([a-z \t\n]*[a-z])?", "[a-z]([a-z \n]*[a-z])?"), 0..4)
        ) {
            let edits: Vec<Edit> = edits
                .into_iter()
                .map(|(file, original, patched)| Edit { file, original, patched })
                .collect();
            let answer: String = edits.iter().map(rendered).collect();
            prop_assert_eq!(parse(&answer), edits);
        }
    }
}
