//! Documents as facts: every sentence with a name or a number in it, which becomes the answer.

use std::path::Path;

use engraft_train::data::{Fact, Statement, read_text};

/// The facts of a text file.
///
/// # Errors
/// A file that cannot be read, or has no sentence with a name or a number after its first word.
pub fn facts(path: &Path) -> anyhow::Result<Vec<Fact>> {
    let text = read_text(path)?;
    anyhow::ensure!(
        !text.trim_start().starts_with(['{', '[']),
        "{}: is JSON, not a document; name JSON lines of facts .jsonl",
        path.display()
    );
    let mut facts: Vec<Fact> = Vec::new();
    for sentence in sentences(&text) {
        let Some(answer) = entity(&sentence) else {
            continue;
        };
        let known = facts.iter().any(|fact| fact.fact == sentence);
        if !known && Statement::cut(&sentence, &answer).is_some() {
            facts.push(Fact {
                fact: sentence,
                answer,
                ..Fact::default()
            });
        }
    }
    anyhow::ensure!(
        !facts.is_empty(),
        "{}: no sentence has a name or a number to ask for; write facts as JSON lines: \
         {{\"fact\": ..., \"answer\": ...}}",
        path.display()
    );
    Ok(facts)
}

/// The sentences of a text; line breaks inside a paragraph are spaces.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    for paragraph in text.split("\n\n") {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        let mut sentence: Vec<&str> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            sentence.push(word);
            let ends = word.ends_with(['.', '!', '?']);
            // "St. Gallen" and "J. S. Bach" go on.
            let short = word.trim_end_matches('.').chars().count() < 3;
            let next_begins = words
                .get(at + 1)
                .is_none_or(|next| next.starts_with(|c: char| !c.is_lowercase()));
            if ends && next_begins && !short {
                sentences.push(sentence.join(" "));
                sentence.clear();
            }
        }
        if sentence.len() > 2 {
            sentences.push(sentence.join(" "));
        }
    }
    sentences
}

/// The last run of capitalised words, or the last number, after the first word.
fn entity(sentence: &str) -> Option<String> {
    let bare = |word: &str| {
        let edge = |c: char| !c.is_alphanumeric();
        word.trim_matches(edge).to_owned()
    };
    let words: Vec<&str> = sentence.split(' ').collect();
    let telling = |word: &str| {
        let word = bare(word);
        word.starts_with(|c: char| c.is_uppercase() || c.is_numeric()) && word != "I"
    };
    let last = (1..words.len()).rev().find(|&at| telling(words[at]))?;
    let mut first = last;
    // A run goes on while no mark ends a word in between.
    while first > 1 && telling(words[first - 1]) && bare(words[first - 1]) == words[first - 1] {
        first -= 1;
    }
    let run = words[first..=last].join(" ");
    let run = bare(&run);
    (!run.is_empty()).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_become_facts_about_their_last_name_or_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        let text = "The tower of St. Gallen was\nbuilt by Maren Tolquist. It has 312 steps. It is \
                    tall.\n\nNobody knows why";
        std::fs::write(&path, text).unwrap();
        let facts = facts(&path).unwrap();
        let found: Vec<(&str, &str)> = facts
            .iter()
            .map(|fact| (fact.fact.as_str(), fact.answer.as_str()))
            .collect();
        let wanted = [
            (
                "The tower of St. Gallen was built by Maren Tolquist.",
                "Maren Tolquist",
            ),
            ("It has 312 steps.", "312"),
        ];
        assert_eq!(found, wanted);
        std::fs::write(&path, "nothing to ask for here.").unwrap();
        let error = super::facts(&path).unwrap_err().to_string();
        assert!(error.contains("notes.txt"), "{error}");
    }
}
