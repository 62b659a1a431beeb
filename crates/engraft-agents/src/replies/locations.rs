//! Places in code that a model names: a class, a method, a range of lines, any of them.

use std::collections::HashMap;

use super::all_between;
use crate::python::strings::strip;

/// A place as the model wrote it; what it did not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    pub class: String,
    pub method: String,
    pub start_line: String,
    pub end_line: String,
}

/// The places of one file: `<location>` with exactly `<class>`, `<method>`, `<start_line>` and
/// `<end_line>` in this order. A block that lacks one of them is not a place.
pub fn first_locations(answer: &str) -> Vec<Location> {
    let mut rest = answer;
    std::iter::from_fn(|| {
        let (_, after) = seam(rest, "<location>", "<class>")?;
        let (class, after) = seam(after, "</class>", "<method>")?;
        let (method, after) = seam(after, "</method>", "<start_line>")?;
        let (start_line, after) = seam(after, "</start_line>", "<end_line>")?;
        let (end_line, after) = seam(after, "</end_line>", "</location>")?;
        rest = after;
        let [class, method, start_line, end_line] =
            [class, method, start_line, end_line].map(|field| strip(field).to_owned());
        Some(Location {
            class,
            method,
            start_line,
            end_line,
        })
    })
    .collect()
}

/// What stands before and after the first `left` that only white space separates from a `right`.
fn seam<'a>(text: &'a str, left: &str, right: &str) -> Option<(&'a str, &'a str)> {
    text.match_indices(left).find_map(|(at, _)| {
        let after = text[at + left.len()..].trim_start();
        Some((&text[..at], after.strip_prefix(right)?))
    })
}

/// The places of several files, grouped by path in the order in which the paths first come. Fields may
/// be missing; a file without a path or without places is left out.
pub fn final_locations(answer: &str) -> Vec<(String, Vec<Location>)> {
    let mut files: Vec<(String, Vec<Location>)> = Vec::new();
    let mut known = HashMap::new();
    for block in all_between(answer, "<file>", "</file>") {
        let Some(path) = on_one_line(block, "path") else {
            continue;
        };
        for location in all_between(block, "<location>", "</location>") {
            let index = *known.entry(path).or_insert_with(|| {
                files.push((path.to_owned(), Vec::new()));
                files.len() - 1
            });
            files[index].1.push(loose_location(location));
        }
    }
    files
}

fn loose_location(text: &str) -> Location {
    let field = |tag| on_one_line(text, tag).unwrap_or_default().to_owned();
    Location {
        class: field("class"),
        method: field("method"),
        start_line: field("start_line"),
        end_line: field("end_line"),
    }
}

/// What stands between a tag and its end, if both are on one line.
fn on_one_line<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split('\n').find_map(|line| {
        let (_, after) = line.split_once(&open)?;
        Some(strip(after.split_once(&close)?.0))
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Location, final_locations, first_locations};

    #[test]
    fn a_block_without_a_field_is_not_a_place_but_the_next_one_is() {
        let answer = "<location><class>A</class></location><location>\n<class></class> <method>m\
            </method><start_line>1</start_line><end_line>2</end_line></location>";
        let read = first_locations(answer);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].method, "m");
    }

    #[test]
    fn ten_megabytes_of_openings_are_read_in_one_go() {
        let hostile = "<location><class></class><method></method><start_line>".repeat(200_000);
        let files = "<file><path>p</path><location>".repeat(350_000);
        let began = Instant::now();
        assert!(first_locations(&hostile).is_empty());
        assert!(final_locations(&files).is_empty());
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    fn rendered(location: &Location) -> String {
        let Location {
            class,
            method,
            start_line,
            end_line,
        } = location;
        format!(
            "<location>\n <class>{class}</class>\n <method>{method}</method>\n \
             <start_line>{start_line}</start_line>\n <end_line>{end_line}</end_line>\n</location>\n"
        )
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>(), tags in "(<|/|location>|class>|file>|path>|é|\n)*") {
            for text in [text, tags] {
                let _ = (first_locations(&text), final_locations(&text));
            }
        }

        #[test]
        fn rendered_places_come_back(fields in prop::collection::vec("[A-Za-z_0-9]*", 4)) {
            let [class, method, start_line, end_line] = fields.try_into().unwrap();
            let location = Location { class, method, start_line, end_line };
            let text = rendered(&location);
            prop_assert_eq!(first_locations(&text), vec![location.clone()]);
            let file = format!("<file><path>a.py</path>{text}</file>");
            prop_assert_eq!(final_locations(&file), vec![("a.py".to_owned(), vec![location])]);
        }
    }
}
