//! Texts as words, and the part of a failed run that is worth searching with.

use std::sync::LazyLock;

use regex::Regex;

/// A word of any script. Marks are not part of it: the reference takes `\w` of Python's `re`, which is
/// letters, numbers and the underscore.
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+").expect("a pattern that parses"));

/// The block that old reproduction scripts printed before their output.
static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    let lines = [
        "Summary:",
        r"Number of test cases confirming the issue exists: \d+",
        r"Total number of test cases: \d+",
    ];
    Regex::new(&format!(r"{}\n?", lines.join("\n"))).expect("a pattern that parses")
});

/// A frame of a Python traceback.
static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^File ".*?", line \d+, in .+$"#).expect("a pattern that parses")
});

/// The words of a text in order, in lower case. Whatever is not a letter, a number or an underscore ends
/// a word.
pub fn tokens(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = WORD.find_iter(&lower);
    words.map(|word| word.as_str().to_owned()).collect()
}

/// What a run printed, cut down to what follows the innermost frame of its traceback: the failing line and
/// the error. Paths and line numbers of frames would only match other runs by chance.
///
/// Unchanged, but for an old summary block, if there is no traceback or its last `File` line is not a
/// frame inside a function.
pub fn reduce_trace(text: &str) -> String {
    let text = SUMMARY.replace_all(text, "").into_owned();
    if !text.contains("Traceback") {
        return text;
    }
    let lines = strip(&text).split('\n').rev().map(strip);
    let frame = lines
        .into_iter()
        .find(|line| line.starts_with("File"))
        .filter(|line| FRAME.is_match(line));
    match frame.and_then(|frame| text.split(frame).last()) {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Whether a character is white space to the reference: four separators of the C0 block are, beside what
/// Unicode calls so.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// A text without white space at its ends.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_end_a_word_and_underscores_do_not() {
        assert_eq!(tokens("İki file_mode"), ["i", "ki", "file_mode"]);
        assert_eq!(tokens("x² हिन्दी"), ["x²", "ह", "न", "द"]);
    }

    #[test]
    fn a_trace_ends_after_its_innermost_frame() {
        let trace = "Traceback:\n  File \"a.py\", line 1, in f\n  File \"b.py\", line 2, in g\n    g()\nE: x";
        assert_eq!(reduce_trace(trace), "\n    g()\nE: x");
    }

    #[test]
    fn a_trace_at_module_level_of_no_function_stays() {
        let trace = "Traceback\n  File \"<stdin>\", line 1\nSyntaxError";
        assert_eq!(reduce_trace(trace), trace);
    }
}
