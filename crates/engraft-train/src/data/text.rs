//! A user's own text: JSON lines of documents or of prompts with completions, and plain text.

use std::path::Path;

use engraft_method::suggest::hint;
use engraft_nets::Batch;
use serde_json::{Map, Value};

use crate::{
    BatchSource,
    data::{DataError, Encoder, Order, Sequence, file, order::Sampling, pad, sequences::Marks},
};

/// One line of a JSONL data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// `{"text": ...}`: every token is predicted.
    Text(String),
    /// `{"prompt": ..., "completion": ...}`: only the completion is predicted. The two are joined
    /// as they are, so a completion usually starts with a space.
    Pair { prompt: String, completion: String },
}

impl Record {
    /// All of it, as a model reads it.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Pair { prompt, completion } => format!("{prompt}{completion}"),
        }
    }
}

/// Where prompt and completion of a record stand in data with other keys: texts in which `{key}`
/// stands for a line's value of that key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub prompt: String,
    pub completion: String,
}

impl Columns {
    fn record(&self, object: &Map<String, Value>) -> Result<Record, String> {
        let fill = |template: &str| -> Result<String, String> {
            let mut filled = String::new();
            let mut rest = template;
            while let Some((before, after)) = rest.split_once('{') {
                let (key, after) = after
                    .split_once('}')
                    .ok_or_else(|| format!("`{template}` has a `{{` without its `}}`"))?;
                let value = match object.get(key) {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Null) | None => {
                        let known: Vec<&str> = object.keys().map(String::as_str).collect();
                        return Err(format!("has no `{key}`; {}", hint(key, known)));
                    }
                    Some(other) => other.to_string(),
                };
                filled.push_str(before);
                filled.push_str(&value);
                rest = after;
            }
            filled.push_str(rest);
            match filled.is_empty() {
                true => Err(format!("`{template}` is empty; remove the line")),
                false => Ok(filled),
            }
        };
        Ok(Record::Pair {
            prompt: fill(&self.prompt)?,
            completion: fill(&self.completion)?,
        })
    }
}

/// Reads a JSONL file (plain or gzip); other keys than those of [`Record`], or of `columns`, are left
/// alone.
///
/// # Errors
/// A file that cannot be read, is empty, not UTF-8 or holds fewer than two records; a line that is
/// not JSON or lacks its keys (with the number of the line).
pub fn read_jsonl(path: &Path, columns: Option<&Columns>) -> Result<Vec<Record>, DataError> {
    let text = file::read_utf8(path)?;
    let lines = text.lines().enumerate();
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    let records = filled.map(|(index, line)| {
        parse(line, columns).map_err(|problem| DataError::line(path, index + 1, problem))
    });
    let records: Vec<Record> = records.collect::<Result<_, _>>()?;
    if records.len() < 2 {
        let problem = "holds a single record; give at least two lines, or plain text as .txt";
        return Err(DataError::file(path, problem));
    }
    Ok(records)
}

fn parse(line: &str, columns: Option<&Columns>) -> Result<Record, String> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| format!("is not JSON ({error}); write one object a line"))?;
    let Value::Object(object) = value else {
        return Err("is not a JSON object; write {\"text\": ...}".to_owned());
    };
    if let Some(columns) = columns {
        return columns.record(&object);
    }
    let string = |key: &str| match object.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(format!("`{key}` is empty; remove the line")),
        Some(_) => Err(format!("`{key}` is not a string; quote it")),
        None => Err(format!("`{key}` is missing; add it")),
    };
    if object.contains_key("text") {
        return string("text").map(Record::Text);
    }
    if object.contains_key("prompt") || object.contains_key("completion") {
        return Ok(Record::Pair {
            prompt: string("prompt")?,
            completion: string("completion")?,
        });
    }
    let found: Vec<&str> = object.keys().map(String::as_str).collect();
    Err(format!(
        "has the keys [{}]; it needs `text`, or `prompt` and `completion`; or say in the recipe where \
         they stand: `prompt: \"{{a}}\", completion: \" {{b}}\"`",
        found.join(", ")
    ))
}

/// Reads plain text (plain or gzip).
pub fn read_text(path: &Path) -> Result<String, DataError> {
    file::read_utf8(path)
}

/// Cuts a text in two at about `share` of its bytes, between two characters.
pub fn split(text: &str, share: f64) -> (&str, &str) {
    let wanted = (text.len() as f64 * share.clamp(0.0, 1.0)) as usize;
    text.split_at(text.floor_char_boundary(wanted))
}

/// Batches of a text or of records.
pub struct TextSource {
    sequences: Vec<Sequence>,
    order: Order,
    by_length: bool,
    padding: u32,
}

impl TextSource {
    /// Windows of `context` tokens that follow each other through one long text; what is left
    /// over at its end is dropped. `path` is only named in errors.
    pub fn from_text(
        path: &Path,
        text: &str,
        encode: &Encoder,
        marks: Marks,
        context: usize,
        sampling: Sampling,
    ) -> Result<Self, DataError> {
        check_context(context)?;
        let ids = encode(text);
        fills_a_window(path, ids.len(), context)?;
        Ok(Self::new(windows(&ids, context, true), marks, sampling))
    }

    /// Whether [`TextSource::from_text`] would take this text, found from its beginning where that
    /// is enough.
    pub fn check_text(
        path: &Path,
        text: &str,
        encode: &Encoder,
        context: usize,
    ) -> Result<(), DataError> {
        check_context(context)?;
        let beginning = text.floor_char_boundary(context.saturating_mul(64));
        if encode(&text[..beginning]).len() > context {
            return Ok(());
        }
        fills_a_window(path, encode(text).len(), context)
    }

    /// Whether [`TextSource::from_records`] would take these records.
    pub fn check_records(
        records: &[Record],
        encode: &Encoder,
        marks: Marks,
        context: usize,
    ) -> Result<(), DataError> {
        check_context(context)?;
        let trains = |record: &Record| match record {
            Record::Text(text) => marks.around(encode(text)).len() > 1,
            Record::Pair { .. } => true,
        };
        match records.iter().any(trains) {
            true => Ok(()),
            false => Err(no_record()),
        }
    }

    /// One sequence a record. Documents longer than `context` are cut into several; a pair that is
    /// longer loses the beginning of its prompt.
    pub fn from_records(
        records: &[Record],
        encode: &Encoder,
        marks: Marks,
        context: usize,
        sampling: Sampling,
    ) -> Result<Self, DataError> {
        check_context(context)?;
        let mut sequences = Vec::new();
        for (sample, record) in records.iter().enumerate() {
            let first = sequences.len();
            match record {
                Record::Text(text) => {
                    let ids = marks.around(encode(text));
                    sequences.extend(windows(&ids, context, false));
                }
                Record::Pair { prompt, completion } => {
                    sequences.push(pair(encode, marks, context, prompt, completion));
                }
            }
            for sequence in &mut sequences[first..] {
                sequence.sample = sample;
            }
        }
        if sequences.is_empty() {
            return Err(no_record());
        }
        Ok(Self::new(sequences, marks, sampling))
    }

    /// Batches of rows that are sequences already.
    pub fn new(sequences: Vec<Sequence>, marks: Marks, sampling: Sampling) -> Self {
        Self {
            order: sampling.order("text", sequences.len(), sampling.batch),
            by_length: sampling.by_length,
            sequences,
            padding: marks.padding,
        }
    }

    /// All sequences in the order of the data, to measure on.
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }
}

fn no_record() -> DataError {
    DataError::setting("records", "no record holds two tokens; give longer texts")
}

fn fills_a_window(path: &Path, tokens: usize, context: usize) -> Result<(), DataError> {
    if tokens > context {
        return Ok(());
    }
    let problem = format!(
        "holds {tokens} tokens, fewer than one window of {} needs; give more text or lower \
         `context`",
        context + 1
    );
    Err(DataError::file(path, problem))
}

fn check_context(context: usize) -> Result<(), DataError> {
    match context {
        0 => Err(DataError::setting("context", "0 must be 1 or more")),
        _ => Ok(()),
    }
}

fn pair(
    encode: &Encoder,
    marks: Marks,
    context: usize,
    prompt: &str,
    completion: &str,
) -> Sequence {
    let mut whole = Sequence::default();
    whole.push(marks.start.as_slice(), false);
    whole.push(&encode(prompt), false);
    whole.push(&encode(completion), true);
    whole.push(marks.end.as_slice(), true);
    let surplus = whole.ids.len().saturating_sub(context + 1);
    Sequence {
        ids: whole.ids.split_off(surplus),
        predicted: whole.predicted.split_off(surplus),
        sample: 0,
    }
}

/// Pieces of `context` inputs; each starts with the last label of the one before.
fn windows(ids: &[u32], context: usize, whole_only: bool) -> Vec<Sequence> {
    let mut sequences = Vec::new();
    for (sample, start) in (0..ids.len().saturating_sub(1))
        .step_by(context)
        .enumerate()
    {
        let window = &ids[start..ids.len().min(start + context + 1)];
        if whole_only && window.len() <= context {
            break;
        }
        let mut sequence = Sequence {
            sample,
            ..Sequence::default()
        };
        sequence.push(window, true);
        sequences.push(sequence);
    }
    sequences
}

impl BatchSource for TextSource {
    fn batch(&self, step: usize, micro: usize) -> Batch {
        let length = |sample: usize| self.sequences[sample].ids.len();
        let visits = match self.by_length {
            true => self.order.visits_by_length(step, micro, length),
            false => self.order.visits(step, micro),
        };
        let rows = visits
            .into_iter()
            .map(|visit| self.sequences[visit.sample].clone());
        pad(&rows.collect::<Vec<_>>(), self.padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engraft_nets::{IGNORE, Input};
    use std::{fs, sync::Arc};

    const MARKS: Marks = Marks {
        start: Some(1),
        end: Some(2),
        padding: 0,
    };
    const SAMPLING: Sampling = Sampling {
        seed: 3,
        batch: 2,
        accumulate: 1,
        by_length: false,
    };

    /// One token a character.
    fn characters() -> Encoder {
        Arc::new(|text: &str| text.chars().map(u32::from).collect())
    }

    fn jsonl(content: &[u8]) -> Result<Vec<Record>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts.jsonl");
        fs::write(&path, content).unwrap();
        read_jsonl(&path, None).map_err(|error| error.to_string())
    }

    #[test]
    fn documents_and_pairs_are_read_and_other_keys_left_alone() {
        let records =
            jsonl(b"{\"text\": \"a\", \"id\": 7}\n\n{\"prompt\": \"p\", \"completion\": \" c\"}\n");
        let pair = Record::Pair {
            prompt: "p".to_owned(),
            completion: " c".to_owned(),
        };
        assert_eq!(records.unwrap(), [Record::Text("a".to_owned()), pair]);
    }

    #[test]
    fn every_way_a_line_can_be_wrong_names_file_line_and_fix() {
        let cases: [(&[u8], &str, &str); 7] = [
            (b"", "is empty", "give a file"),
            (b"{\"text\": \"a\"}\n", "single record", "at least two"),
            (b"{\"text\": \"a\"}\n\xff\n", "line 2", "UTF-8"),
            (
                b"{\"text\": \"a\"}\n{\"text\":\n",
                "line 2",
                "one object a line",
            ),
            (
                b"{\"text\": \"a\"}\n{\"txt\": \"b\"}",
                "line 2",
                "`prompt` and `completion`",
            ),
            (
                b"{\"prompt\": \"a\"}\n{}",
                "line 1",
                "`completion` is missing",
            ),
            (b"{\"text\": 3}\n{}", "line 1", "not a string"),
        ];
        for (content, problem, fix) in cases {
            let message = jsonl(content).unwrap_err();
            assert!(message.contains("facts.jsonl"), "{message}");
            assert!(
                message.contains(problem) && message.contains(fix),
                "{message}"
            );
        }
    }

    #[test]
    fn windows_of_a_text_follow_each_other_and_cover_it() {
        let path = Path::new("book.txt");
        let source =
            TextSource::from_text(path, "abcdefgh", &characters(), MARKS, 3, SAMPLING).unwrap();
        let texts: Vec<String> = source
            .sequences()
            .iter()
            .map(|window| {
                window
                    .ids
                    .iter()
                    .map(|&id| char::from_u32(id).unwrap())
                    .collect()
            })
            .collect();
        assert_eq!(texts, ["abcd", "defg"]);
        let built = TextSource::from_text(path, "ab", &characters(), MARKS, 3, SAMPLING);
        let checked = TextSource::check_text(path, "ab", &characters(), 3);
        for error in [built.err(), checked.err()] {
            let message = error.expect("two characters fill no window").to_string();
            assert!(message.contains("book.txt: holds 2 tokens"), "{message}");
        }
        TextSource::check_text(path, "abcdefgh", &characters(), 3).unwrap();
    }

    #[test]
    fn only_the_completion_and_the_end_are_predicted_and_long_prompts_lose_their_beginning() {
        let records = [Record::Pair {
            prompt: "pqr".to_owned(),
            completion: "c".to_owned(),
        }];
        let build = |context| {
            let sampling = Sampling {
                batch: 1,
                ..SAMPLING
            };
            TextSource::from_records(&records, &characters(), MARKS, context, sampling).unwrap()
        };
        let [p, q, r, c] = ['p', 'q', 'r', 'c'].map(u32::from);
        let batch = build(10).batch(0, 0);
        assert_eq!(batch.labels, [IGNORE, IGNORE, IGNORE, i64::from(c), 2]);
        let Input::Tokens { ids, .. } = batch.input else {
            panic!("text gives tokens");
        };
        assert_eq!(ids, [1, p, q, r, c]);
        assert_eq!(build(3).sequences()[0].ids, [q, r, c, 2]);
    }

    #[test]
    fn records_without_anything_to_predict_are_refused() {
        let bare = Marks {
            start: None,
            end: None,
            padding: 0,
        };
        for records in [vec![], vec![Record::Text("a".to_owned())]] {
            let built = TextSource::from_records(&records, &characters(), bare, 4, SAMPLING);
            let checked = TextSource::check_records(&records, &characters(), bare, 4);
            for error in [built.err(), checked.err()] {
                assert!(error.unwrap().to_string().contains("two tokens"));
            }
        }
    }

    #[test]
    fn a_text_is_split_between_characters() {
        assert_eq!(split("aéb", 0.5), ("a", "éb"));
        assert_eq!(split("abcd", 0.75), ("abc", "d"));
    }
}
