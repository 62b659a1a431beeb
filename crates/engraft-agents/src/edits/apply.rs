//! One edit placed in a program.

use super::{Edit, Language};
use crate::python::{Position, strings::strip, syntax_error};

/// A program after an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub program: String,
    pub syntax: SyntaxCheck,
}

/// Whether the program after an edit was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxCheck {
    /// It has no syntax error.
    Passed,
    /// The language has no checker here.
    NoChecker,
    /// The program had a syntax error before the edit, in the eyes of a checker for Python 3, so the
    /// checker cannot judge the edit.
    BrokenBefore,
}

/// Why an edit changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the lines of <original> are not in the file; copy them from the file as they are")]
    Unmatched,
    #[error(
        "the file would have a syntax error at line {} column {}; mend <patched>",
        .0.line, .0.column
    )]
    Syntax(Position),
}

/// Replaces the first lines of the program that equal `original`, white space at the ends of lines
/// aside, by `patched`.
///
/// The first guess moves all lines of `patched` by the offset between the first line of `original` and
/// the file's; the second one moves only the first line. In Python the first guess whose program has no
/// syntax error is taken. Line ends of the file (`\r\n`) and a missing final newline are kept.
///
/// # Errors
/// If `original` is not there, or if both guesses have syntax errors.
pub fn apply(program: &str, edit: &Edit, language: Language) -> Result<Applied, EditError> {
    let place = Place::find(program, edit).ok_or(EditError::Unmatched)?;
    let all_moved = place.replaced(program, |_, line| place.shift.apply(line));
    if language == Language::Other {
        return Ok(Applied {
            program: all_moved,
            syntax: SyntaxCheck::NoChecker,
        });
    }
    let passed = |program| Applied {
        program,
        syntax: SyntaxCheck::Passed,
    };
    let Some(error) = syntax_error(&all_moved) else {
        return Ok(passed(all_moved));
    };
    let first_moved = place.replaced(program, |index, line| match index {
        0 => place.shift.apply(line),
        _ => line.to_owned(),
    });
    if syntax_error(&first_moved).is_none() {
        return Ok(passed(first_moved));
    }
    if syntax_error(program).is_some() {
        return Ok(Applied {
            program: all_moved,
            syntax: SyntaxCheck::BrokenBefore,
        });
    }
    Err(EditError::Syntax(error))
}

/// Where an edit goes and what it puts there.
struct Place<'a> {
    /// Bytes of the program that are replaced: whole lines, without the end of the last one.
    bytes: std::ops::Range<usize>,
    patched: &'a str,
    shift: Shift<'a>,
    line_end: &'static str,
}

impl<'a> Place<'a> {
    fn find(program: &'a str, edit: &'a Edit) -> Option<Self> {
        let lines: Vec<&str> = program.split_inclusive('\n').collect();
        let wanted: Vec<&str> = edit.original.split('\n').map(strip).collect();
        let stripped: Vec<&str> = lines.iter().copied().map(strip).collect();
        let first = first_match(&stripped, &wanted)?;
        let start: usize = lines[..first].iter().map(|line| line.len()).sum();
        let matched = &lines[first..first + wanted.len()];
        let length: usize = matched.iter().map(|line| line.len()).sum();
        let last_end = matched.last().map_or(0, |line| line_end(line).len());
        let written = edit.original.split('\n').next().unwrap_or_default();
        Some(Self {
            bytes: start..start + length - last_end,
            patched: &edit.patched,
            shift: Shift::between(written, matched[0]),
            line_end: if lines.iter().any(|line| line.ends_with("\r\n")) {
                "\r\n"
            } else {
                "\n"
            },
        })
    }

    fn replaced(&self, program: &str, moved: impl Fn(usize, &str) -> String) -> String {
        let lines = self.patched.split('\n').enumerate();
        let lines: Vec<String> = lines
            .map(|(index, line)| moved(index, line.strip_suffix('\r').unwrap_or(line)))
            .collect();
        [
            &program[..self.bytes.start],
            &lines.join(self.line_end),
            &program[self.bytes.end..],
        ]
        .concat()
    }
}

fn line_end(line: &str) -> &str {
    if line.ends_with("\r\n") {
        "\r\n"
    } else if line.ends_with('\n') {
        "\n"
    } else {
        ""
    }
}

/// The first place at which `wanted` stands in `lines`, in time linear in both (Knuth, Morris, Pratt):
/// a hostile answer must not cost the product of their lengths.
fn first_match(lines: &[&str], wanted: &[&str]) -> Option<usize> {
    // borders[i]: the longest proper prefix of wanted[..=i] that is also its suffix.
    let mut borders = vec![0; wanted.len()];
    let mut matched = 0;
    for index in 1..wanted.len() {
        while matched > 0 && wanted[index] != wanted[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(wanted[index] == wanted[matched]);
        borders[index] = matched;
    }
    matched = 0;
    for (index, line) in lines.iter().enumerate() {
        while matched > 0 && *line != wanted[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(*line == wanted[matched]);
        if matched == wanted.len() {
            return Some(index + 1 - matched);
        }
    }
    None
}

/// What brings the indentation of an answer to that of the file.
enum Shift<'a> {
    /// The file is indented deeper: this goes before every line.
    Deeper(&'a str),
    /// The answer is indented deeper: up to so many characters of white space go.
    Shallower(usize),
    /// The two have nothing in common, tabs and spaces for example: one indentation replaces the other.
    Instead { written: &'a str, file: &'a str },
}

impl<'a> Shift<'a> {
    fn between(written: &'a str, file: &'a str) -> Self {
        let [written, file] = [written, file].map(indentation);
        if let Some(more) = file.strip_suffix(written) {
            Self::Deeper(more)
        } else if let Some(more) = written.strip_suffix(file) {
            Self::Shallower(more.chars().count())
        } else {
            Self::Instead { written, file }
        }
    }

    fn apply(&self, line: &str) -> String {
        match self {
            Self::Deeper(more) => format!("{more}{line}"),
            Self::Shallower(less) => {
                let gone = line.chars().take(*less).take_while(|c| c.is_whitespace());
                line[gone.map(char::len_utf8).sum()..].to_owned()
            }
            Self::Instead { written, file } => match line.strip_prefix(written) {
                Some(rest) => format!("{file}{rest}"),
                None => line.to_owned(),
            },
        }
    }
}

fn indentation(line: &str) -> &str {
    let line = line.trim_end_matches(['\n', '\r']);
    &line[..line.len() - line.trim_start().len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Applied, EditError, SyntaxCheck, apply, first_match};
    use crate::edits::{Edit, Language};

    fn edit(original: &str, patched: &str) -> Edit {
        Edit {
            file: "m.py".to_owned(),
            original: original.to_owned(),
            patched: patched.to_owned(),
        }
    }

    fn python(program: &str, original: &str, patched: &str) -> Result<Applied, EditError> {
        apply(program, &edit(original, patched), Language::Python)
    }

    #[test]
    fn the_second_guess_keeps_lines_that_are_already_right() {
        let program = "def f():\n    a = 1\n    return a\n";
        let applied = python(program, "a = 1", "if 1:\n        a = 1\n    b = 2").unwrap();
        assert_eq!(
            applied.program,
            "def f():\n    if 1:\n        a = 1\n    b = 2\n    return a\n"
        );
        assert_eq!(applied.syntax, SyntaxCheck::Passed);
    }

    #[test]
    fn carriage_returns_and_a_missing_last_newline_stay() {
        let applied = python("a = 1\r\nb = 2", "b = 2", "b = 3\nc = 4").unwrap();
        assert_eq!(applied.program, "a = 1\r\nb = 3\r\nc = 4");
    }

    #[test]
    fn tabs_of_the_file_take_the_place_of_spaces_in_the_answer() {
        let program = "def f():\n\treturn 1\n";
        let applied = python(program, "    return 1", "    x = 1\n    return x").unwrap();
        assert_eq!(applied.program, "def f():\n\tx = 1\n\treturn x\n");
    }

    #[test]
    fn an_edit_that_breaks_the_syntax_changes_nothing_and_says_where() {
        let error = python("a = 1\nb = 2\n", "b = 2", "b = (").unwrap_err();
        assert!(matches!(error, EditError::Syntax(at) if at.line >= 2));
    }

    #[test]
    fn other_languages_and_broken_programs_are_not_checked() {
        let applied = apply("let a;\n", &edit("let a;", "let (;"), Language::Other).unwrap();
        assert_eq!(applied.syntax, SyntaxCheck::NoChecker);
        let applied = python("print 'old'\na = 1\n", "a = 1", "a = 2").unwrap();
        assert_eq!(applied.syntax, SyntaxCheck::BrokenBefore);
        assert_eq!(applied.program, "print 'old'\na = 2\n");
    }

    proptest! {
        #[test]
        fn the_first_match_is_the_naive_one(lines in "[ab]{0,30}", wanted in "[ab]{1,5}") {
            let [lines, wanted] = [&lines, &wanted].map(|text| {
                text.split("").filter(|part| !part.is_empty()).collect::<Vec<_>>()
            });
            let naive = lines.windows(wanted.len()).position(|window| window == wanted);
            prop_assert_eq!(first_match(&lines, &wanted), naive);
        }

        #[test]
        fn only_the_matched_lines_change(
            before in "([a-c \t]{0,4}(\n|\r\n)){0,4}",
            middle in prop::collection::vec("[ \t]{0,3}[d-f]{1,3}", 1..4),
            after in "((\n|\r\n)[a-c \t]{0,4}){0,4}",
            patched in "[ \ta-fé\n\u{2028}]{0,12}",
        ) {
            let middle = middle.join("\n");
            let program = format!("{before}{middle}{after}");
            let applied = apply(&program, &edit(&middle, &patched), Language::Other).unwrap();
            let changed = applied.program.strip_prefix(&before).unwrap();
            let changed = changed.strip_suffix(&after).unwrap();
            prop_assert_eq!(changed.split('\n').count(), patched.split('\n').count());
        }

        #[test]
        fn no_edit_panics(program in any::<String>(), original in "[ a\n\té\r]*", patched in any::<String>()) {
            for language in [Language::Python, Language::Other] {
                let _ = apply(&program, &edit(&original, &patched), language);
            }
        }
    }
}
