//! Fenced code blocks in Markdown, and what is taken from them.

use crate::python::strings::{lines_with_ends, strip};

const FENCE: &str = "```";
/// The command that models are fond of adding after the script.
const RUN_COMMAND: &str = "python3 reproducer.py";

/// The contents of all fenced blocks. A line that begins with a fence, after white space, opens a block
/// or closes the open one; a block that is never closed is none.
pub fn code_blocks(answer: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut opened = None;
    let mut at = 0;
    for line in lines_with_ends(answer) {
        let end = at + line.len();
        if strip(line).starts_with(FENCE) {
            opened = match opened {
                None => Some(end),
                Some(start) => {
                    blocks.push(&answer[start..at]);
                    None
                }
            };
        }
        at = end;
    }
    blocks
}

/// The test script of an answer: the only block; the first of two if the second is the command that
/// runs it; the first of several if it is tagged as Python.
pub fn test_script(answer: &str) -> Option<&str> {
    match code_blocks(answer)[..] {
        [script] => Some(script),
        [script, command] if strip(command) == RUN_COMMAND => Some(script),
        [script, _, ..] if first_fence_is_python(answer) => Some(script),
        _ => None,
    }
}

fn first_fence_is_python(answer: &str) -> bool {
    answer
        .split_once(FENCE)
        .is_some_and(|(_, tagged)| tagged.starts_with("python"))
}

/// The text of the only block of an answer, a path on each line.
pub fn file_list(answer: &str) -> Option<&str> {
    match code_blocks(answer)[..] {
        [paths] => Some(paths),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{code_blocks, file_list, test_script};

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(?s).*", fences in "[` \n\ta\u{2028}é]*") {
            for text in [text, fences] {
                let blocks: usize = code_blocks(&text).iter().map(|block| block.len()).sum();
                prop_assert!(blocks <= text.len());
                let _ = (test_script(&text), file_list(&text));
            }
        }

        #[test]
        fn a_fenced_text_comes_back(before in "[a-z \n]*", script in "([a-z #é]+\n)*") {
            let answer = format!("{before}\n```python\n{script}```\n");
            prop_assert_eq!(test_script(&answer), Some(script.as_str()));
        }
    }
}
