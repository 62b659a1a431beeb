//! Questions whose context says something else than the model remembers, and the templates that write
//! them as prompts.

use std::str::FromStr;

use serde::Deserialize;

use super::{Asked, Stated, asked::Written};
use engraft_files::Tokenizer;

/// A question with two answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Conflict {
    pub question: String,
    /// What contradicts the model, or what it should use.
    pub context: String,
    /// The answer of the context: one or several ways to say it.
    pub answer: OneOrMany,
    /// What the model remembers, where the file says it.
    #[serde(default)]
    pub memory: OneOrMany,
    /// How the answer begins, for templates that have a `{lead}`.
    #[serde(default)]
    pub lead: String,
    #[serde(flatten)]
    pub stated: Stated,
}

/// A text or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Texts")]
pub struct OneOrMany(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl From<Texts> for OneOrMany {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => Self(vec![text]),
            Texts::Many(texts) => Self(texts),
        }
    }
}

/// Who gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Memory,
    Context,
    Neither,
}

impl Conflict {
    /// Whose answer a text gives first.
    pub fn side(&self, text: &str) -> Side {
        let first = |answers: &OneOrMany| answers.0.iter().filter_map(|one| place(text, one)).min();
        match (first(&self.memory), first(&self.answer)) {
            (None, None) => Side::Neither,
            (Some(memory), Some(context)) if memory < context => Side::Memory,
            (Some(_), None) => Side::Memory,
            (_, Some(_)) => Side::Context,
        }
    }
}

/// Where a text has these words, whatever their case, not as a part of longer ones.
fn place(text: &str, words: &str) -> Option<usize> {
    let (text, words) = (text.to_lowercase(), words.trim().to_lowercase());
    if words.is_empty() {
        return None;
    }
    let bounded = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !inside(before) && !inside(after)
    };
    let places = text.match_indices(&words).map(|(at, _)| at);
    places.into_iter().find(|&at| bounded(at))
}

/// How a prompt is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub name: String,
    way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// By the model's chat template.
    Chat,
    /// With `{context}`, `{question}` and `{lead}` filled in.
    Text(String),
}

const CONTEXT: &str = "{context}";
const QUESTION: &str = "{question}";
const LEAD: &str = "{lead}";

/// A template's text with the parts of a conflict in place of their names; names in those parts mean
/// nothing.
fn fill(text: &str, conflict: &Conflict) -> Written {
    let lead = match conflict.lead.is_empty() {
        true => String::new(),
        // A lead goes on after white space.
        false => match text.find(LEAD) {
            Some(at) if text[..at].ends_with(char::is_whitespace) => conflict.lead.clone(),
            _ => format!(" {}", conflict.lead),
        },
    };
    let parts = [
        (CONTEXT, conflict.context.as_str()),
        (QUESTION, &conflict.question),
        (LEAD, &lead),
    ];
    let mut filled = Written::default();
    let mut rest = text;
    loop {
        let places = parts
            .iter()
            .filter_map(|part| Some((rest.find(part.0)?, part)));
        let Some((at, (name, part))) = places.min_by_key(|(at, _)| *at) else {
            break;
        };
        filled.text.push_str(&rest[..at]);
        let start = filled.text.len();
        filled.text.push_str(part);
        let place = start..filled.text.len();
        if *name == CONTEXT {
            filled.context = Some(place.clone());
        }
        filled.own.push(place);
        rest = &rest[at + name.len()..];
    }
    filled.text.push_str(rest);
    filled
}

/// The templates of this program: name and text.
const TEMPLATES: [(&str, &str); 3] = [
    ("plain", "{context}\n{question}\n{lead}"),
    ("qa", "{context}\nQ: {question}\nA:{lead}"),
    (
        "labelled",
        "Context: {context}\nQuestion: {question}\nAnswer:{lead}",
    ),
];

impl Template {
    /// Those that are used where none is named.
    pub fn all() -> Vec<Self> {
        let texts = TEMPLATES.map(|(name, text)| Self {
            name: name.to_owned(),
            way: Way::Text(text.to_owned()),
        });
        let chat = Self {
            name: "chat".to_owned(),
            way: Way::Chat,
        };
        texts.into_iter().chain([chat]).collect()
    }

    /// The prompt of a conflict, with and without the context.
    ///
    /// # Errors
    /// A chat template that cannot be filled.
    pub fn ask(&self, conflict: &Conflict, tokenizer: &Tokenizer) -> anyhow::Result<Asked> {
        let text = match &self.way {
            Way::Text(text) => text,
            Way::Chat => {
                let (question, context) = (&conflict.question, Some(&*conflict.context));
                return Asked::question(tokenizer, question, context, false);
            }
        };
        let lines = text.split_inclusive('\n');
        let without: String = lines.filter(|line| !line.contains(CONTEXT)).collect();
        let question = fill(&without, conflict).text;
        Ok(Asked::of(tokenizer, fill(text, conflict), Some(&question)))
    }
}

impl FromStr for Template {
    type Err = String;

    /// A name, or a text with `{context}` and `{question}`; the lines of the context go with it where it is
    /// left out, so nothing else may stand in them.
    fn from_str(written: &str) -> Result<Self, String> {
        if let Some(known) = Self::all().into_iter().find(|one| one.name == written) {
            return Ok(known);
        }
        let text = written.replace("\\n", "\n");
        let alone = |line: &str| !(line.contains(QUESTION) || line.contains(LEAD));
        let mut of_context = text
            .lines()
            .filter(|line| line.contains(CONTEXT))
            .peekable();
        let has_context = of_context.peek().is_some();
        if !(has_context && of_context.all(alone) && text.contains(QUESTION)) {
            let names: Vec<String> = Self::all().into_iter().map(|one| one.name).collect();
            return Err(format!(
                "`{written}` is none of {} and no template: it needs {{context}} and {{question}}, and \
                 in the context's line neither the question nor a {{lead}}",
                names.join(", ")
            ));
        }
        Ok(Self {
            name: written.to_owned(),
            way: Way::Text(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_is_named_first_wins_and_parts_of_words_do_not_count() {
        let row = r#"{"question": "q", "context": "c", "answer": "Rome", "memory": ["Paris", "the City of Light"]}"#;
        let conflict: Conflict = serde_json::from_str(row).unwrap();
        for (text, side) in [
            ("It is rome, not Paris.", Side::Context),
            ("The city of light, once Rome", Side::Memory),
            ("Romeo and Parisian", Side::Neither),
            ("Romeo loved Rome", Side::Context),
            ("", Side::Neither),
        ] {
            assert_eq!(conflict.side(text), side, "{text}");
        }
    }

    #[test]
    fn templates_are_names_or_texts_that_leave_the_context_out() {
        assert_eq!("qa".parse::<Template>().unwrap().name, "qa");
        assert!("{context}\\n{question}".parse::<Template>().is_ok());
        for bad in [
            "q",
            "{context} {question}",
            "{question}",
            "{context}{lead}\\n{question}",
        ] {
            let said = bad.parse::<Template>().unwrap_err();
            assert!(said.contains("labelled"), "{said}");
        }
    }

    #[test]
    fn names_inside_what_is_filled_in_stay_as_they_are() {
        let row = r#"{"question": "what is {context}?", "context": " a {lead} or a {question}", "answer": "a", "lead": "a {context}"}"#;
        let conflict: Conflict = serde_json::from_str(row).unwrap();
        let filled = fill("c: {context}\nQ: {question}\nA:{lead}", &conflict);
        let text = "c:  a {lead} or a {question}\nQ: what is {context}?\nA: a {context}";
        assert_eq!(filled.text, text);
        let words = |place: &std::ops::Range<usize>| &text[place.clone()];
        assert_eq!(words(&filled.context.unwrap()), conflict.context);
        let own: Vec<&str> = filled.own.iter().map(words).collect();
        assert_eq!(own, [&conflict.context, &conflict.question, " a {context}"]);
    }
}
