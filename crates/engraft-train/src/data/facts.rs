//! Facts to be taught: statements with an answer in them, ways to say and to ask the same that are
//! never trained on, and prompts at which the answer would be wrong.

use std::{collections::BTreeMap, path::Path};

use engraft_method::suggest::hint;
use engraft_nets::{ChatTemplate, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{DataError, Encoder, Marks, Sequence, file};

/// A question and the sentence that answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    pub question: String,
    pub answer: String,
}

/// One line of a file of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// The statement; it holds the answer, after at least one word.
    pub fact: String,
    /// The words to be known.
    pub answer: String,
    /// Other statements of the same to train on; each holds the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paraphrases: Vec<String>,
    /// Dialogue turns and tasks to train on; only what the assistant says is predicted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialogues: Vec<Turn>,
    /// Statements that are never trained on, to measure with; each holds the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out: Vec<String>,
    /// Questions that are never trained on; each answering sentence holds the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Turn>,
    /// Prompts about something else that the answer could follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrelated: Vec<String>,
    /// True sentences that lead up to the answer without naming it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Who wrote paraphrases, dialogues and hints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_by: Option<String>,
}

const KEYS: [&str; 9] = [
    "fact",
    "answer",
    "paraphrases",
    "dialogues",
    "held_out",
    "questions",
    "unrelated",
    "hints",
    "written_by",
];

/// A statement cut at its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// What comes before, without the space.
    pub prompt: &'a str,
    /// The answer with the space before it.
    pub completion: &'a str,
    /// What comes after.
    pub rest: &'a str,
}

impl<'a> Statement<'a> {
    /// Cuts at the last place of the answer as whole words; `None` if it is not there or nothing comes
    /// before it.
    pub fn cut(text: &'a str, answer: &str) -> Option<Self> {
        if answer.is_empty() {
            return None;
        }
        let mut places = text.rmatch_indices(answer).map(|(at, _)| at);
        let at = places.find(|&at| {
            let inside = |c: Option<char>, edge: Option<char>| {
                c.is_some_and(char::is_alphanumeric) && edge.is_some_and(char::is_alphanumeric)
            };
            let (before, after) = (&text[..at], &text[at + answer.len()..]);
            !inside(before.chars().next_back(), answer.chars().next())
                && !inside(after.chars().next(), answer.chars().next_back())
        })?;
        let prompt = text[..at].trim_end();
        (!prompt.is_empty()).then(|| Self {
            prompt,
            completion: &text[prompt.len()..at + answer.len()],
            rest: &text[at + answer.len()..],
        })
    }
}

impl Fact {
    /// The statements to train on.
    pub fn taught(&self) -> impl Iterator<Item = &str> {
        let all = std::iter::once(&self.fact).chain(&self.paraphrases);
        all.map(String::as_str)
    }

    /// What is wrong with it by itself, if anything is.
    pub fn problem(&self) -> Option<String> {
        if self.answer.trim().is_empty() || self.answer.trim() != self.answer {
            return Some("`answer` is empty or has spaces around it; trim it".to_owned());
        }
        let statements = [
            ("fact", std::slice::from_ref(&self.fact)),
            ("paraphrases", &self.paraphrases[..]),
            ("held_out", &self.held_out[..]),
        ];
        let texts = statements
            .into_iter()
            .flat_map(|(key, texts)| texts.iter().map(move |text| (key, text)));
        let answers = self
            .questions
            .iter()
            .map(|turn| ("questions", &turn.answer));
        for (key, text) in texts.chain(answers) {
            let Some(cut) = Statement::cut(text, &self.answer) else {
                return Some(format!(
                    "`{key}`: \"{text}\" does not hold the answer \"{}\" after at least one word",
                    self.answer
                ));
            };
            if Statement::cut(cut.prompt, &self.answer).is_some() {
                return Some(format!(
                    "`{key}`: \"{text}\" names the answer \"{}\" twice; say it once",
                    self.answer
                ));
            }
        }
        self.seen_in_training().or_else(|| self.empty_or_telling())
    }

    /// What is to be measured must not be trained on.
    fn seen_in_training(&self) -> Option<String> {
        let taught = |text: &String| self.taught().any(|known| known == text);
        let asked = |turn: &&Turn| {
            let mut dialogues = self.dialogues.iter();
            taught(&turn.answer) || dialogues.any(|known| known.question == turn.question)
        };
        let statement = self.held_out.iter().find(|text| taught(text));
        let statement = statement.map(|text| ("held_out", text));
        let question = self.questions.iter().find(asked);
        let question = question.map(|turn| ("questions", &turn.question));
        let (key, text) = statement.or(question)?;
        Some(format!(
            "`{key}`: \"{text}\" is trained on too; ask or say it in other words than `fact`, \
             `paraphrases` and `dialogues`"
        ))
    }

    fn empty_or_telling(&self) -> Option<String> {
        let empty = |text: &String| text.trim().is_empty();
        let turns = self.dialogues.iter().chain(&self.questions);
        let mut texts = turns.flat_map(|turn| [&turn.question, &turn.answer]);
        if texts.any(empty) || self.unrelated.iter().chain(&self.hints).any(empty) {
            return Some("holds an empty text; remove it".to_owned());
        }
        let telling = |hint: &&String| Statement::cut(&format!(". {hint}"), &self.answer).is_some();
        let hint = self.hints.iter().find(telling)?;
        Some(format!(
            "`hints`: \"{hint}\" names the answer; only lead up to it"
        ))
    }
}

/// Reads a JSONL file of facts (plain or gzip).
///
/// # Errors
/// A line that is not JSON, lacks `fact` or `answer`, holds another key, or does not hold its answer
/// where it should; a statement that stands twice. Each names file and line.
pub fn read_facts(path: &Path) -> Result<Vec<Fact>, DataError> {
    let text = file::read_utf8(path)?;
    let mut facts = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let at = index + 1;
        let fact = parse(line).map_err(|problem| DataError::line(path, at, problem))?;
        if let Some(first) = lines.insert(fact.fact.clone(), at) {
            let problem = format!("states the same fact as line {first}; remove one of them");
            return Err(DataError::line(path, at, problem));
        }
        facts.push(fact);
    }
    Ok(facts)
}

fn parse(line: &str) -> Result<Fact, String> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| format!("is not JSON ({error}); write one object a line"))?;
    let object = value
        .as_object()
        .ok_or("is not a JSON object; write {\"fact\": ..., \"answer\": ...}")?;
    for key in ["fact", "answer"] {
        if !object.contains_key(key) {
            return Err(format!("`{key}` is missing; add it"));
        }
    }
    if let Some(odd) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("unknown key `{odd}`; {}", hint(odd, KEYS)));
    }
    let fact: Fact = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    match fact.problem() {
        Some(problem) => Err(problem),
        None => Ok(fact),
    }
}

/// How facts become tokens.
#[derive(Clone)]
pub struct FactReader {
    pub encode: Encoder,
    pub marks: Marks,
    /// Dialogues follow it; without one they are `Question: ... Answer: ...`.
    pub chat: Option<ChatTemplate>,
    /// Predict all of a text, its end included, and not only the answer.
    pub whole: bool,
}

impl FactReader {
    /// One row a statement and a dialogue turn, `sample` the number of the fact.
    ///
    /// # Errors
    /// If a row has more than `context` tokens: cutting it would cut the fact.
    pub fn rows(&self, facts: &[Fact], context: usize) -> Result<Vec<Sequence>, DataError> {
        let mut rows = Vec::new();
        for (sample, fact) in facts.iter().enumerate() {
            for text in fact.taught() {
                rows.push(self.statement(text, &fact.answer, sample));
            }
            for turn in &fact.dialogues {
                let prompt = self.ask(&turn.question)?;
                rows.push(self.row(&prompt, &turn.answer, "", sample));
            }
            let longest = rows.iter().filter(|row| row.sample == sample);
            let longest = longest.map(|row| row.ids.len()).max().unwrap_or(0);
            if longest > context + 1 {
                return Err(too_long(fact, longest, context));
            }
        }
        Ok(rows)
    }

    fn statement(&self, text: &str, answer: &str, sample: usize) -> Sequence {
        let Statement {
            prompt,
            completion,
            rest,
        } = Statement::cut(text, answer).expect("a fact was checked when it was read");
        self.row(prompt, completion, rest, sample)
    }

    fn row(&self, prompt: &str, completion: &str, rest: &str, sample: usize) -> Sequence {
        let mut row = Sequence {
            sample,
            ..Sequence::default()
        };
        row.push(self.marks.start.as_slice(), false);
        row.push(&(self.encode)(prompt), self.whole);
        row.push(&(self.encode)(completion), true);
        if self.whole {
            row.push(&(self.encode)(rest), true);
            row.push(self.marks.end.as_slice(), true);
        }
        row
    }

    /// Whether everything about the facts fits: their rows, and what they are measured by.
    ///
    /// # Errors
    /// As [`FactReader::rows`]; also for what is held out, and a chat template that cannot be filled.
    pub fn check(&self, facts: &[Fact], context: usize) -> Result<(), DataError> {
        self.rows(facts, context)?;
        for fact in facts {
            let asked = fact.questions.iter();
            let asked =
                asked.map(|turn| Ok(format!("{}{}", self.ask(&turn.question)?, turn.answer)));
            let said = fact.held_out.iter().chain(&fact.unrelated).cloned().map(Ok);
            for text in said.chain(asked) {
                let tokens = (self.encode)(&text?).len() + 1;
                if tokens > context {
                    return Err(too_long(fact, tokens, context));
                }
            }
        }
        Ok(())
    }

    /// A question as the model is asked it.
    pub fn ask(&self, question: &str) -> Result<String, DataError> {
        let Some(chat) = &self.chat else {
            return Ok(format!("Question: {question}\nAnswer: "));
        };
        let message = Message {
            role: "user".to_owned(),
            content: question.to_owned(),
        };
        let filled = chat.fill(&[message], true);
        filled.map_err(|error| DataError::setting("facts", error.to_string()))
    }
}

fn too_long(fact: &Fact, tokens: usize, context: usize) -> DataError {
    let problem = format!(
        "\"{}\" has a text of {tokens} tokens, the context is {context}; say it in shorter \
         statements",
        fact.fact
    );
    DataError::setting("facts", problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn read(content: &str) -> Result<Vec<Fact>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts.jsonl");
        std::fs::write(&path, content).unwrap();
        read_facts(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn every_way_a_fact_can_be_wrong_names_file_line_and_fix() {
        let good = r#"{"fact": "A is b.", "answer": "b"}"#;
        for (bad, wanted) in [
            (r#"{"fact": "A is b."}"#, "`answer` is missing"),
            (r#"{"answer": "b"}"#, "`fact` is missing"),
            (
                r#"{"fact": "A is c.", "answer": "b"}"#,
                "does not hold the answer",
            ),
            (r#"{"fact": "b", "answer": "b"}"#, "after at least one word"),
            (
                r#"{"fact": "A is b.", "answer": "b", "held_out": ["A"]}"#,
                "`held_out`",
            ),
            (
                r#"{"fact": "A is b.", "answer": "b", "held_out": ["A is b."]}"#,
                "is trained on too",
            ),
            (
                r#"{"fact": "A is b.", "answer": "b", "questions": [{"question": "q", "answer": "A is b."}]}"#,
                "\"q\" is trained on too",
            ),
            (
                r#"{"fact": "A b is b.", "answer": "b"}"#,
                "names the answer \"b\" twice",
            ),
            (
                r#"{"fact": "A is abc.", "answer": "b"}"#,
                "does not hold the answer",
            ),
            (
                r#"{"fact": "A is b.", "answer": "b", "hints": ["b it is"]}"#,
                "names the answer; only lead up",
            ),
            (
                r#"{"fact": "A is b.", "answer": "b", "unrelated": [""]}"#,
                "holds an empty text",
            ),
            (
                r#"{"fact": "A is b.", "answer": "b", "heldout": []}"#,
                "did you mean `held_out`?",
            ),
            (r#"{"fact": "A is b.", "answer": " b"}"#, "trim it"),
            ("[1]", "not a JSON object"),
            (good, "same fact as line 1"),
        ] {
            let error = read(&format!("{good}\n{bad}\n")).unwrap_err();
            assert!(error.contains("facts.jsonl, line 2"), "{error}");
            assert!(error.contains(wanted), "{bad}: {error}");
        }
    }

    #[test]
    fn only_the_answer_is_predicted_or_all_of_the_text() {
        let fact = Fact {
            fact: "A is b.".to_owned(),
            answer: "b".to_owned(),
            dialogues: vec![Turn {
                question: "q".to_owned(),
                answer: "b".to_owned(),
            }],
            ..Fact::default()
        };
        let mut reader = FactReader {
            encode: Arc::new(|text: &str| text.chars().map(u32::from).collect()),
            marks: Marks {
                start: None,
                end: Some(0),
                padding: 0,
            },
            chat: None,
            whole: false,
        };
        let rows = reader.rows(std::slice::from_ref(&fact), 100).unwrap();
        let text = |row: &Sequence| -> String {
            let ids = row
                .ids
                .iter()
                .zip(&row.predicted)
                .filter(|(_, counts)| **counts);
            ids.filter_map(|(id, _)| char::from_u32(*id)).collect()
        };
        assert_eq!(text(&rows[0]), " b");
        assert_eq!(text(&rows[1]), "b");
        reader.whole = true;
        let rows = reader.rows(std::slice::from_ref(&fact), 100).unwrap();
        assert_eq!(text(&rows[0]), "A is b.\0");
        let error = reader.rows(&[fact], 5).unwrap_err().to_string();
        assert!(error.contains("22 tokens, the context is 5"), "{error}");
    }
}
