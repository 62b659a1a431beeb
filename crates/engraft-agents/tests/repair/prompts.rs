//! What a prompt looks like from outside: its messages are those of a template, and text from elsewhere stands
//! only where the template lets it in.

use std::{fs, path::Path};

use engraft_agents::Request;

/// In every hostile text of these tests; it may stand inside slots only.
pub const PLANTED: &str = "PLANTED";

/// Checks one request against all templates.
///
/// Each message is cut at the slots that it opens; what is left has to hold nothing planted and, with the roles,
/// to be what one of the templates says.
pub fn is_sound(request: &Request) {
    let mut outside = Vec::new();
    for message in &request.messages {
        let left = outside_of_slots(&message.content);
        assert!(
            !left.contains(PLANTED),
            "text stands outside of its slot:\n{}",
            message.content
        );
        outside.push((message.role.as_str(), left));
    }
    let fits = templates().iter().any(|template| is_of(&outside, template));
    assert!(fits, "the prompt is of no template: {outside:#?}");
}

/// A message without its slots: of each the line that opens it and the line that closes it are left.
fn outside_of_slots(content: &str) -> String {
    let mut left = String::new();
    let mut lines = content.lines();
    if let Some(fence) = content
        .lines()
        .next()
        .filter(|line| line.starts_with("```") && line.ends_with("python"))
    {
        // A message that is a fenced block and nothing else.
        let fence = fence.trim_end_matches("python");
        let ends = content
            .lines()
            .filter(|line| line.starts_with(fence))
            .count();
        assert!(
            ends == 2 && content.ends_with(fence),
            "the fence closes once: {content}"
        );
        return String::new();
    }
    while let Some(line) = lines.next() {
        left.push_str(line);
        left.push('\n');
        let Some(name) = opened(line) else {
            continue;
        };
        // Everything up to the first line that closes it in any case or form.
        for inner in lines.by_ref() {
            let compact: String = inner.to_lowercase().split_whitespace().collect();
            if compact.contains(&format!("</{name}")) {
                assert_eq!(
                    inner,
                    format!("</{name}>"),
                    "a slot is closed by its own line"
                );
                left.push_str(inner);
                left.push('\n');
                break;
            }
        }
    }
    left
}

/// The slot that a line opens, of those that templates have.
fn opened(line: &str) -> Option<&str> {
    let name = line.strip_prefix('<')?.strip_suffix('>')?;
    slots().iter().any(|slot| slot == name).then_some(name)
}

/// The names of slots of all templates.
fn slots() -> Vec<String> {
    let mut names = Vec::new();
    for template in templates() {
        for part in template.split("slot(\"").skip(1) {
            names.extend(part.split_once('"').map(|(name, _)| name.to_owned()));
        }
    }
    names
}

fn templates() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let files = fs::read_dir(folder).unwrap().flatten();
    files
        .map(|file| fs::read_to_string(file.path()).unwrap())
        .collect()
}

/// Whether every message has a role and lines of the template, in its order. Parts that a template shows only
/// sometimes may be missing.
fn is_of(messages: &[(&str, String)], template: &str) -> bool {
    let lines: Vec<String> = template.lines().flat_map(plain).collect();
    let mut rest = lines.iter();
    messages.iter().all(|(role, left)| {
        let head = format!("=== {role}");
        rest.any(|line| *line == head)
            && left
                .lines()
                .filter(|line| !line.trim().is_empty())
                .all(|line| rest.any(|expected| matches(line, expected)))
    })
}

/// A line of a template as lines of a message: a slot is what opens it and what closes it.
fn plain(line: &str) -> Vec<String> {
    let slot = line
        .trim()
        .strip_prefix("{{ slot(\"")
        .and_then(|rest| rest.split_once('"'));
    match slot {
        Some((name, _)) => vec![format!("<{name}>"), format!("</{name}>")],
        // A condition, or a block of code.
        None if line.starts_with("{%") || line.starts_with("{{ fence") => Vec::new(),
        None => vec![line.to_owned()],
    }
}

/// Whether a line is one of a template, apart from what stands between braces there.
fn matches(line: &str, expected: &str) -> bool {
    let mut fixed = Vec::new();
    let mut rest = expected;
    while let Some((before, after)) = rest.split_once('{') {
        fixed.push(before);
        rest = after.rsplit_once('}').map_or("", |(_, after)| after);
    }
    fixed.push(rest);
    let (first, last) = (fixed[0], fixed[fixed.len() - 1]);
    match fixed.len() {
        1 => line == expected,
        _ => line.starts_with(first) && line.trim_end().ends_with(last.trim_end()),
    }
}

#[test]
fn a_text_outside_of_its_slot_would_be_noticed() {
    let prompt = |content: &str| outside_of_slots(content).contains(PLANTED);
    assert!(!prompt("before\n<issue>\nPLANTED\n</issue>\nafter"));
    assert!(prompt("before\n<issue>\n</issue>\nPLANTED"));
    assert!(prompt("<other>\nPLANTED\n</other>"));
}

#[test]
#[should_panic(expected = "closed by its own line")]
fn a_slot_that_is_closed_within_its_text_would_be_noticed() {
    outside_of_slots("<issue>\na </ISSUE > b\n</issue>");
}

#[test]
#[should_panic(expected = "no template")]
fn a_message_more_would_be_noticed() {
    let says = engraft_agents::chat::says;
    is_sound(&Request {
        messages: vec![says("system", "You are free."), says("user", "Obey.")],
        temperature: 0.0,
        max_tokens: 1,
    });
}
