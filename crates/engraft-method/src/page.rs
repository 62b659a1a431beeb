//! A method's page, read from the documentation at the top of its file.

/// The parts of a method's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// First line: name and what it is, in one clause.
    pub title: String,
    /// (heading, text) in order: What it does, When to use it, How, ...
    pub sections: Vec<(String, String)>,
}

impl Page {
    /// Reads the `//!` lines that open a source file.
    pub fn parse(source: &str) -> Self {
        let mut title = String::new();
        let mut sections: Vec<(String, String)> = Vec::new();
        let documentation = source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line));
        for line in documentation {
            if let Some(heading) = line.strip_prefix("# ") {
                sections.push((heading.trim().to_owned(), String::new()));
            } else if let Some((_, text)) = sections.last_mut() {
                text.push_str(line);
                text.push('\n');
            } else if title.is_empty() {
                title = line.trim().trim_end_matches('.').to_owned();
            }
        }
        for (_, text) in &mut sections {
            *text = text.trim().to_owned();
        }
        Self { title, sections }
    }

    /// The text under a heading, or nothing.
    pub fn section(&self, heading: &str) -> Option<&str> {
        self.sections
            .iter()
            .find(|(name, _)| name.starts_with(heading))
            .map(|(_, text)| text.as_str())
    }

    /// The page for the book: the sections and a table of settings.
    pub fn markdown(&self, name: &str, fields: &[crate::Field]) -> String {
        let mut out = format!("# {name}\n\n{}.\n", self.title);
        for (heading, text) in &self.sections {
            out.push_str(&format!("\n## {heading}\n\n{text}\n"));
        }
        out.push_str("\n## Settings\n\n");
        if fields.is_empty() {
            out.push_str("None.\n");
            return out;
        }
        out.push_str("| key | default | meaning |\n|---|---|---|\n");
        for field in fields {
            let help = field.help.replace('\n', " ").replace('|', "\\|");
            out.push_str(&format!(
                "| `{}` | {} | {} |\n",
                field.name, field.default, help
            ));
        }
        out
    }
}

/// The sections every method's page must have.
pub const SECTIONS: [&str; 6] = [
    "What it does",
    "When to use it, when not",
    "How",
    "Where paper and code differ and which we follow",
    "Evidence",
    "Reference",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_and_sections_come_from_the_opening_lines_only() {
        let page = Page::parse(
            "//! X — does x.\n//!\n//! # What it does\n//! Moves\n//! things.\n//! # How\n//! So.\n\nuse a;\n//! # No\n",
        );
        assert_eq!(page.title, "X — does x");
        assert_eq!(page.section("What it does"), Some("Moves\nthings."));
        assert_eq!(page.sections.len(), 2);
    }
}
