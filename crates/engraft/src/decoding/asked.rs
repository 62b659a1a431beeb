//! A prompt in the tokens of a model, with and without its context.

use std::ops::Range;

use engraft_decode::{Prompt, Text};
use engraft_files::{Message, Tokenizer};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    full: Vec<u32>,
    question: Option<Vec<u32>>,
    span: Range<usize>,
}

/// The tokenizer of a prompt.
pub struct Words<'a> {
    tokenizer: &'a Tokenizer,
    full: &'a [u32],
}

impl Asked {
    /// From the whole prompt; where it has a context, also from the prompt without it.
    pub fn of_texts(tokenizer: &Tokenizer, full: &str, context: Option<(&str, &str)>) -> Self {
        let full = tokenizer.encode(full);
        let words = Words {
            tokenizer,
            full: &full,
        };
        let span = context.and_then(|(context, _)| words.find(context.trim()));
        Self {
            span: span.unwrap_or(0..full.len()),
            question: context.map(|(_, question)| tokenizer.encode(question)),
            full,
        }
    }

    /// A question, after its context if there is one: as the model's chat template writes it, or with
    /// `raw` as it is.
    ///
    /// # Errors
    /// An empty question, or a template that cannot be filled.
    pub fn question(
        tokenizer: &Tokenizer,
        question: &str,
        context: Option<&str>,
        raw: bool,
    ) -> anyhow::Result<Self> {
        let written = |context: Option<&str>| -> anyhow::Result<String> {
            let content = match context {
                Some(context) => format!("{}\n{question}", context.trim_end()),
                None => question.to_owned(),
            };
            anyhow::ensure!(
                !content.trim().is_empty(),
                "the prompt is empty; write a question"
            );
            let message = Message {
                role: "user".to_owned(),
                content,
            };
            written(tokenizer, &[message], raw)
        };
        let full = written(context)?;
        let mut asked = match context {
            Some(context) => Self::of_texts(tokenizer, &full, Some((context, &written(None)?))),
            None => Self::of_texts(tokenizer, &full, None),
        };
        if !raw && tokenizer.chat().is_none() {
            asked.begin(tokenizer.start_of_text());
        }
        Ok(asked)
    }

    /// A conversation that waits for its next answer.
    ///
    /// # Errors
    /// A template that cannot be filled.
    pub fn conversation(tokenizer: &Tokenizer, messages: &[Message]) -> anyhow::Result<Self> {
        Ok(Self::of_texts(
            tokenizer,
            &written(tokenizer, messages, false)?,
            None,
        ))
    }

    /// Puts a token before everything.
    fn begin(&mut self, start: Option<u32>) {
        let Some(start) = start else { return };
        self.full.insert(0, start);
        if let Some(question) = &mut self.question {
            question.insert(0, start);
        }
        self.span = self.span.start + 1..self.span.end + 1;
    }

    /// The same without its context, where it has one.
    pub fn alone(&self) -> Self {
        let full = self.question.clone().unwrap_or_else(|| self.full.clone());
        Self {
            span: 0..full.len(),
            question: None,
            full,
        }
    }

    /// Whether the answer begins a line: its first word has no space before it.
    pub fn ends_a_line(&self, tokenizer: &Tokenizer) -> bool {
        tokenizer.decode_whole(&self.full).ends_with('\n')
    }

    /// Tokens of the whole prompt.
    pub fn tokens(&self) -> &[u32] {
        &self.full
    }

    pub fn text<'a>(&'a self, tokenizer: &'a Tokenizer) -> Words<'a> {
        Words {
            tokenizer,
            full: &self.full,
        }
    }

    pub fn prompt<'a>(&'a self, text: &'a Words<'a>) -> Prompt<'a> {
        Prompt {
            full: &self.full,
            question: self.question.as_deref(),
            span: self.span.clone(),
            text,
        }
    }

    /// The place in the context that holds the longest end of an answer: what stands there, with a few
    /// words around it.
    pub fn behind(&self, answer: &[u32], tokenizer: &Tokenizer) -> Option<String> {
        self.question.as_ref()?;
        let context = &self.full[self.span.clone()];
        let last = answer.last()?;
        let shared = |end: usize| {
            let pairs = context[..=end].iter().rev().zip(answer.iter().rev());
            pairs.take_while(|(a, b)| a == b).count()
        };
        let ends = (0..context.len()).filter(|&end| context[end] == *last);
        let (shared, end) = ends.map(|end| (shared(end), end)).max()?;
        let around = (end + 1).saturating_sub(shared + AROUND)..context.len().min(end + 1 + AROUND);
        Some(tokenizer.decode(&context[around]).trim().to_owned())
    }
}

/// Tokens shown on each side of a place.
const AROUND: usize = 4;

/// Messages as the model wants them written; without a chat template the contents alone.
fn written(tokenizer: &Tokenizer, messages: &[Message], raw: bool) -> anyhow::Result<String> {
    match tokenizer.chat().filter(|_| !raw) {
        Some(chat) => Ok(chat.fill(messages, true)?),
        None => {
            let contents: Vec<&str> = messages.iter().map(|one| one.content.as_str()).collect();
            Ok(contents.join("\n"))
        }
    }
}

impl Text for Words<'_> {
    fn encode(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    fn decode(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens)
    }

    fn end(&self) -> u32 {
        self.tokenizer.end_of_text()
    }

    /// The last place of several.
    fn find(&self, words: &str) -> Option<Range<usize>> {
        let length = |count: usize| self.tokenizer.decode_whole(&self.full[..count]).len();
        let at = self.tokenizer.decode_whole(self.full).rfind(words)?;
        let end = at + words.len();
        let first = least(self.full.len(), |count| length(count + 1) > at);
        let last = least(self.full.len(), |count| length(count + 1) >= end);
        (first <= last && last < self.full.len()).then_some(first..last + 1)
    }
}

/// The least number below `end` for which `holds`, which stays true from there on; `end` if none.
fn least(end: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (0, end);
    while from < to {
        let middle = from.midpoint(to);
        match holds(middle) {
            true => to = middle,
            false => from = middle + 1,
        }
    }
    from
}
