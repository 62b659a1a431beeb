//! The rows of a file with what becomes of each.

use std::ops::RangeInclusive;

use tree_sitter::Point;

enum Row {
    Kept,
    Dropped,
    Replaced(&'static str),
    /// Kept up to a byte, then a line of its own.
    Cut {
        at: usize,
        then: Option<String>,
    },
}

/// The rows of a file, numbered from 0 as the syntax tree does.
pub(super) struct Rows<'a> {
    lines: Vec<&'a str>,
    fates: Vec<Row>,
}

impl<'a> Rows<'a> {
    /// All kept.
    pub fn new(source: &'a str) -> Self {
        let lines: Vec<&str> = source.split('\n').collect();
        let fates = lines.iter().map(|_| Row::Kept).collect();
        Self { lines, fates }
    }

    pub fn drop(&mut self, rows: RangeInclusive<usize>) {
        for fate in self.fates.get_mut(rows).into_iter().flatten() {
            *fate = Row::Dropped;
        }
    }

    pub fn replace(&mut self, row: usize, line: &'static str) {
        if let Some(fate) = self.fates.get_mut(row) {
            *fate = Row::Replaced(line);
        }
    }

    /// Ends a row at a point and puts a line after it.
    pub fn cut(&mut self, end: Point, then: Option<String>) {
        if let Some(fate) = self.fates.get_mut(end.row) {
            *fate = Row::Cut {
                at: end.column,
                then,
            };
        }
    }

    /// The white space at the start of a row.
    pub fn indentation(&self, row: usize) -> &'a str {
        let line = self.lines.get(row).copied().unwrap_or_default();
        &line[..line.len() - line.trim_start_matches([' ', '\t', '\u{c}']).len()]
    }

    /// The last row of the comments and blank lines after `last` that are indented by `indentation` or
    /// more; `last` if there are none.
    pub fn footer(&self, last: usize, indentation: &str) -> usize {
        let after = self.lines.iter().enumerate().skip(last + 1);
        after
            .take_while(|(_, line)| line.trim().is_empty() || line.trim_start().starts_with('#'))
            .filter(|(_, line)| line.starts_with(indentation))
            .last()
            .map_or(last, |(row, _)| row)
    }

    /// What is left.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (line, fate) in self.lines.iter().zip(&self.fates) {
            match fate {
                Row::Kept => text.push_str(line),
                Row::Dropped => continue,
                Row::Replaced(other) => text.push_str(other),
                Row::Cut { at, then } => {
                    text.push_str(line.get(..*at).unwrap_or(line));
                    if let Some(then) = then {
                        text.push('\n');
                        text.push_str(then);
                    }
                }
            }
            text.push('\n');
        }
        // The text after the last line feed of the file is no line if it is empty.
        if self.lines.last() == Some(&"") && matches!(self.fates.last(), Some(Row::Kept)) {
            text.pop();
        }
        text
    }
}
