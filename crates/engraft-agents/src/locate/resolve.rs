//! A place that a model named, found in its file.

use serde::{Deserialize, Serialize};

use super::{Lines, WindowRule, window};
use crate::{
    python::{find_class, find_method, find_method_in_class},
    replies::Location,
};

/// Code that is shown, with where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snippet {
    pub path: String,
    pub lines: Lines,
    /// The lines, joined by newlines.
    pub code: String,
}

/// The code of a location in a file. A range of lines is widened to its window; without one a class, a
/// method in a class, or a method anywhere in the file is looked for, and all of that name are given.
/// Classes and methods are found in Python alone. Empty if nothing is there.
pub fn snippets(path: &str, source: &str, location: &Location, rule: WindowRule) -> Vec<Snippet> {
    let lines: Vec<&str> = source.lines().collect();
    let found = match (number(&location.start_line), number(&location.end_line)) {
        (Some(start), Some(end)) => window(start, end, lines.len(), rule).into_iter().collect(),
        _ => match (location.class.as_str(), location.method.as_str()) {
            ("", "") => Vec::new(),
            (class, "") => find_class(source, class),
            ("", method) => find_method(source, method),
            (class, method) => find_method_in_class(source, class, method),
        },
    };
    found
        .into_iter()
        .filter_map(|range| Snippet::new(path, &lines, range))
        .collect()
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

impl Snippet {
    fn new(path: &str, lines: &[&str], range: Lines) -> Option<Self> {
        let last = range.last.min(lines.len());
        let code = lines.get(range.first.checked_sub(1)?..last)?;
        (!code.is_empty()).then(|| Self {
            path: path.to_owned(),
            lines: Lines { last, ..range },
            code: code.join("\n"),
        })
    }

    /// A whole file, `None` if it is empty.
    pub fn whole(path: &str, source: &str) -> Option<Self> {
        let lines: Vec<&str> = source.lines().collect();
        let range = Lines {
            first: 1,
            last: lines.len(),
        };
        Self::new(path, &lines, range)
    }

    /// The same without lines at its end.
    pub(super) fn cut_to(&self, count: usize) -> Option<Self> {
        let lines: Vec<&str> = self.code.split('\n').take(count).collect();
        let last = self.lines.first + lines.len().checked_sub(1)?;
        Some(Self {
            path: self.path.clone(),
            lines: Lines { last, ..self.lines },
            code: lines.join("\n"),
        })
    }

    pub(super) fn line_count(&self) -> usize {
        self.lines.last - self.lines.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Snippet, WindowRule, snippets};
    use crate::replies::Location;

    const SOURCE: &str = "class K:\n    def m(self):\n        pass\n\ndef m():\n    pass\n";

    fn shown(class: &str, method: &str, start: &str, end: &str) -> Vec<String> {
        let [class, method, start_line, end_line] =
            [class, method, start, end].map(|field| field.to_owned());
        let location = Location {
            class,
            method,
            start_line,
            end_line,
        };
        let found = snippets("m.py", SOURCE, &location, WindowRule::Inclusive);
        found.into_iter().map(|Snippet { code, .. }| code).collect()
    }

    #[test]
    fn lines_win_over_names_and_names_stand_in_for_lines() {
        assert_eq!(shown("K", "m", "1", "2"), [SOURCE.trim_end()]);
        let method = "    def m(self):\n        pass";
        assert_eq!(shown("K", "m", "1", ""), [method]);
        assert_eq!(shown("K", "", "", ""), [format!("class K:\n{method}")]);
        assert_eq!(shown("", "m", "x", "y"), [method, "def m():\n    pass"]);
        assert!(shown("", "", "", "").is_empty());
        assert!(shown("L", "m", "", "").is_empty());
    }
}
