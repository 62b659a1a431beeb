//! A prompt in the tokens of a model, with and without its context.

use std::ops::Range;

use engraft_decode::{Prompt, Text};
use engraft_files::{ChatTemplate, Message, Tokenizer};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    full: Vec<u32>,
    question: Option<Vec<u32>>,
    span: Range<usize>,
    written: Written,
    /// The bytes of the text that each token stands for.
    places: Vec<Range<usize>>,
}

/// A prompt as text. Places are in bytes.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub text: String,
    /// Where the words of the asker are; the rest is a template's.
    pub own: Vec<Range<usize>>,
    pub context: Option<Range<usize>>,
    /// Whether a chat template wrote it, with all the marks that the model wants.
    pub by_chat: bool,
}

/// The tokenizer of a prompt.
pub struct Words<'a> {
    tokenizer: &'a Tokenizer,
    asked: &'a Asked,
}

impl Written {
    /// Messages as the model wants them written; without a chat template, or with `raw`, the contents
    /// alone.
    fn of_messages(tokenizer: &Tokenizer, messages: &[Message], raw: bool) -> anyhow::Result<Self> {
        let Some(chat) = tokenizer.chat().filter(|_| !raw) else {
            let contents: Vec<&str> = messages.iter().map(|one| one.content.as_str()).collect();
            let text = contents.join("\n");
            return Ok(Self {
                own: whole(&text),
                text,
                ..Self::default()
            });
        };
        let text = chat.fill(messages, true)?;
        Ok(Self {
            own: contents(chat, messages, &text).unwrap_or_else(|| whole(&text)),
            text,
            context: None,
            by_chat: true,
        })
    }
}

/// All of a text as one place.
fn whole(text: &str) -> Vec<Range<usize>> {
    std::iter::once(0..text.len()).collect()
}

/// Where a chat template put the contents of messages: between what it writes around marks in their
/// place. Nothing for a template that changes them by more than the space around them.
fn contents(chat: &ChatTemplate, messages: &[Message], text: &str) -> Option<Vec<Range<usize>>> {
    let mark = |index: usize| format!("\u{E000}{index}\u{E001}");
    let marked = messages.iter().enumerate().map(|(index, message)| Message {
        role: message.role.clone(),
        content: mark(index),
    });
    let frame = chat.fill(&marked.collect::<Vec<_>>(), true).ok()?;
    let (mut frame, mut rest) = (frame.as_str(), text);
    let mut found = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let (before, after) = frame.split_once(&mark(index))?;
        rest = rest.strip_prefix(before)?;
        let mut forms = [message.content.as_str(), message.content.trim()].into_iter();
        let content = forms.find(|form| rest.starts_with(form))?;
        let at = text.len() - rest.len();
        found.push(at..at + content.len());
        (frame, rest) = (after, &rest[content.len()..]);
    }
    (frame == rest).then_some(found)
}

impl Asked {
    /// From the whole prompt; where it has a context, also from the prompt without it.
    pub fn of(tokenizer: &Tokenizer, written: Written, question: Option<&str>) -> Self {
        let (mut full, mut places) = tokenizer.encode_with_places(&written.text);
        let mut question = question.map(|question| tokenizer.encode(question));
        // A mark that was typed is not written twice.
        let start = tokenizer.start_of_text().filter(|_| !written.by_chat);
        let missing = |tokens: &[u32]| start.filter(|start| tokens.first() != Some(start));
        if let Some(start) = missing(&full) {
            full.insert(0, start);
            places.insert(0, 0..0);
        }
        if let Some(question) = &mut question
            && let Some(start) = missing(question)
        {
            question.insert(0, start);
        }
        let mut asked = Self {
            span: 0..full.len(),
            full,
            question,
            places,
            written,
        };
        if let Some(place) = asked.written.context.clone() {
            let context = &asked.written.text[place.clone()];
            let start = place.end - context.trim_start().len();
            let words = start..start + context.trim().len();
            asked.span = asked.tokens_of(&words).unwrap_or(asked.span);
        }
        asked
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
        let written = |context: Option<&str>| -> anyhow::Result<Written> {
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
            Written::of_messages(tokenizer, &[message], raw)
        };
        let mut full = written(context)?;
        let Some(context) = context.map(str::trim) else {
            return Ok(Self::of(tokenizer, full, None));
        };
        let own = full.own[0].clone();
        let at = full.text[own.clone()].find(context);
        full.context = at.map(|at| own.start + at..own.start + at + context.len());
        Ok(Self::of(tokenizer, full, Some(&written(None)?.text)))
    }

    /// A conversation that waits for its next answer.
    ///
    /// # Errors
    /// A template that cannot be filled.
    pub fn conversation(tokenizer: &Tokenizer, messages: &[Message]) -> anyhow::Result<Self> {
        let written = Written::of_messages(tokenizer, messages, false)?;
        Ok(Self::of(tokenizer, written, None))
    }

    /// The same without its context, where it has one.
    pub fn alone(&self) -> Self {
        let full = self.question.clone().unwrap_or_else(|| self.full.clone());
        Self {
            span: 0..full.len(),
            question: None,
            full,
            written: Written::default(),
            places: Vec::new(),
        }
    }

    /// Whether the answer begins a line: its first word has no space before it.
    pub fn ends_a_line(&self) -> bool {
        self.written.text.ends_with('\n')
    }

    /// Tokens of the whole prompt.
    pub fn tokens(&self) -> &[u32] {
        &self.full
    }

    /// Every token with a part of these bytes of the text.
    fn tokens_of(&self, bytes: &Range<usize>) -> Option<Range<usize>> {
        let holds = |place: &Range<usize>| place.start < bytes.end && bytes.start < place.end;
        let first = self.places.iter().position(holds)?;
        let last = self.places.iter().rposition(holds)?;
        Some(first..last + 1)
    }

    pub fn text<'a>(&'a self, tokenizer: &'a Tokenizer) -> Words<'a> {
        Words {
            tokenizer,
            asked: self,
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

    fn find(&self, words: &str) -> Option<Range<usize>> {
        let Written { text, own, .. } = &self.asked.written;
        let mut own = own.iter().rev();
        let at = own.find_map(|own| Some(own.start + text[own.clone()].rfind(words)?))?;
        self.asked.tokens_of(&(at..at + words.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token a character.
    fn tokenizer() -> Tokenizer {
        Tokenizer::chars(["abcdefghijklmnopqrstuvwxyz :\n"].into_iter())
    }

    fn message(role: &str, content: &str) -> Message {
        Message {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }

    fn chat(source: &str) -> ChatTemplate {
        ChatTemplate::new(source, "", "", std::path::Path::new("here"))
    }

    #[test]
    fn the_context_is_where_it_was_put_not_where_its_words_come_again() {
        let tokenizer = tokenizer();
        let asked = Asked::question(&tokenizer, "is the cat a cat", Some(" the cat\n"), false);
        let asked = asked.unwrap();
        let start = tokenizer.start_of_text().expect("a mark");
        assert_eq!(asked.tokens()[0], start);
        // The mark, and the space before the context.
        assert_eq!(asked.span, 2..9);
        assert_eq!(
            tokenizer.decode(&asked.tokens()[asked.span.clone()]),
            "the cat"
        );
        let question = asked.question.expect("a prompt without the context");
        assert_eq!(question[0], start);
        assert_eq!(tokenizer.decode(&question), "is the cat a cat");
        let typed = Asked::question(&tokenizer, "<|endoftext|>a cat", None, true).unwrap();
        assert_eq!((typed.tokens()[0], typed.tokens().len()), (start, 6));
    }

    #[test]
    fn words_are_found_in_what_was_asked_and_not_in_the_template() {
        let source = "{% for m in messages %}user: {{ m.content | trim }} user\n{% endfor %}bot";
        let said = [message("user", " the user \n"), message("user", "a bot")];
        let text = chat(source).fill(&said, true).unwrap();
        let own = contents(&chat(source), &said, &text).unwrap();
        let own: Vec<&str> = own.into_iter().map(|place| &text[place]).collect();
        assert_eq!(own, ["the user", "a bot"]);
        let shouts = chat("{% for m in messages %}{{ m.content | upper }}{% endfor %}");
        let text = shouts.fill(&said, true).unwrap();
        assert_eq!(contents(&shouts, &said, &text), None);

        let tokenizer = tokenizer();
        let written = Written {
            text: "user: a bot bot".to_owned(),
            own: std::iter::once(6..11).collect(),
            by_chat: true,
            ..Written::default()
        };
        let asked = Asked::of(&tokenizer, written, None);
        let words = asked.text(&tokenizer);
        assert_eq!(words.find("bot"), Some(8..11));
        assert_eq!(words.find("user"), None);
    }
}
