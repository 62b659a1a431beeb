//! Text the way Python's built-in methods treat it, since the answers of the official code hang on
//! them: more characters end a line or count as white space than in Rust.

/// Characters that end a line for Python's `splitlines`; a carriage return before a line feed belongs
/// to it.
fn ends_line(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The lines of a text with their ends, so that joined they are the text again.
pub fn lines_with_ends(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.find(ends_line) {
            None => rest.len(),
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + rest[at..].chars().next().map_or(0, char::len_utf8),
        };
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line)
    })
}

/// The lines of a text without their ends.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    lines_with_ends(text).map(|line| {
        line.strip_suffix("\r\n")
            .unwrap_or_else(|| line.strip_suffix(ends_line).unwrap_or(line))
    })
}

/// Without white space at both ends.
pub fn strip(text: &str) -> &str {
    text.trim_matches(|character: char| {
        character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{lines, lines_with_ends, strip};

    #[test]
    fn form_feeds_and_separators_end_lines_and_are_stripped() {
        let text = "a\r\nb\u{c}c\u{2028}d\re";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
        assert_eq!(strip("\u{1c} x\u{85}\n"), "x");
    }

    proptest! {
        #[test]
        fn lines_joined_are_the_text(text in any::<String>()) {
            prop_assert_eq!(lines_with_ends(&text).collect::<String>(), text);
        }
    }
}
