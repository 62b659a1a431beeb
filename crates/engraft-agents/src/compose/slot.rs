//! How data stands in a prompt.

/// Which part of a text stays if it is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Head,
    /// Beginning and end.
    Ends,
}

/// The text, cut to so many characters, and how many were left out.
pub(super) fn cut(text: &str, most: usize, keep: Keep) -> (String, usize) {
    let length = text.chars().count();
    if length <= most {
        return (text.to_owned(), 0);
    }
    let left_out = length - most;
    let gap = format!("\n[... {left_out} characters left out ...]\n");
    let head = match keep {
        Keep::Head => most,
        Keep::Ends => most.div_ceil(2),
    };
    let place = |characters: usize| {
        let mut places = text.char_indices().map(|(at, _)| at);
        places.nth(characters).unwrap_or(text.len())
    };
    let tail = place(length - (most - head));
    (
        format!("{}{gap}{}", &text[..place(head)], &text[tail..]),
        left_out,
    )
}

/// Between tags. A closing tag inside gets a backslash, so that the text ends where it should.
pub(super) fn tagged(name: &str, text: &str) -> String {
    let inner = defused(text, name);
    format!("<{name}>\n{}\n</{name}>", inner.trim_matches('\n'))
}

/// `</name` in any case as `<\/name`.
fn defused(text: &str, name: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let (before, after) = rest.split_at(at);
        safe.push_str(before);
        let named = after[2..].trim_start();
        let closes = named
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name));
        safe.push_str(if closes { "<\\/" } else { "</" });
        rest = &after[2..];
    }
    safe.push_str(rest);
    safe
}

/// As a code block whose fence is longer than any inside.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{}\n{fence}", text.trim_matches('\n'))
}

/// As part of a line: white space is one space, at most 200 characters, no backticks.
pub(super) fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace('`', "'");
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_counts_characters_and_keeps_what_was_asked() {
        assert_eq!(cut("äöü", 3, Keep::Ends), ("äöü".to_owned(), 0));
        let (text, left_out) = cut("äöüßabcdef", 4, Keep::Ends);
        assert_eq!(left_out, 6);
        assert!(
            text.starts_with("äö\n[") && text.ends_with("]\nef"),
            "{text}"
        );
        let (text, _) = cut("äöüßabcdef", 4, Keep::Head);
        assert!(
            text.starts_with("äöüß\n[") && text.ends_with("]\n"),
            "{text}"
        );
    }

    #[test]
    fn only_the_own_closing_tag_is_defused() {
        let text = tagged("issue", "</b></Issue></ issue></issu");
        assert_eq!(text, "<issue>\n</b><\\/Issue><\\/ issue></issu\n</issue>");
    }
}
