//! The conditions a prompt states, any of which a model may ignore, and the prompts without them.

use std::ops::Range;

use crate::{AnswerError, Prompt, Text, View};

/// What stands between two conditions in a setting.
const SEPARATOR: char = '|';

/// Words of a prompt and, once they were found, their tokens.
#[derive(Clone, Debug)]
pub struct Conditions {
    texts: Vec<String>,
    neutral: String,
    /// Where each is, and the tokens that stand there in the prompt without it.
    found: Vec<(Range<usize>, Vec<u32>)>,
}

impl Conditions {
    /// From a setting: `in winter | for children`. None means the context as a whole. `neutral` stands
    /// where one is taken out.
    pub fn named(setting: &str, neutral: &str) -> Self {
        let texts = setting.split(SEPARATOR).map(str::trim);
        Self {
            texts: texts
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
            neutral: neutral.to_owned(),
            found: Vec::new(),
        }
    }

    /// Looks for the words in a prompt.
    ///
    /// # Errors
    /// Words that do not stand there.
    pub fn find(&mut self, prompt: &Prompt<'_>) -> Result<(), AnswerError> {
        let found = self.texts.iter().map(|words| {
            let absent = || AnswerError::NoCondition(words.clone());
            let place = prompt.text.find(words).ok_or_else(absent)?;
            let instead = self.instead(words, &prompt.full[place.clone()], prompt.text);
            Ok((place, instead))
        });
        self.found = found.collect::<Result<_, AnswerError>>()?;
        Ok(())
    }

    /// What stands in place of the tokens that hold some words: nothing, or the same with neutral words.
    fn instead(&self, words: &str, tokens: &[u32], text: &dyn Text) -> Vec<u32> {
        match self.neutral.is_empty() {
            true => Vec::new(),
            false => text.encode(&text.decode(tokens).replacen(words, &self.neutral, 1)),
        }
    }

    /// The full prompt, then the prompt without each condition.
    pub fn views(&self) -> Vec<View> {
        let without = |(place, instead): &(Range<usize>, Vec<u32>)| {
            View::Instead(place.clone(), instead.clone())
        };
        let mut views = vec![View::Full];
        match self.texts.is_empty() {
            true => views.push(View::NoContext),
            false => views.extend(self.found.iter().map(without)),
        }
        views
    }

    /// What the condition at `index` is called.
    pub fn name(&self, index: usize) -> &str {
        self.texts.get(index).map_or("the context", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte is a token.
    struct Bytes(&'static str);

    impl Text for Bytes {
        fn encode(&self, text: &str) -> Vec<u32> {
            text.bytes().map(u32::from).collect()
        }

        fn decode(&self, tokens: &[u32]) -> String {
            tokens.iter().map(|&byte| char::from(byte as u8)).collect()
        }

        fn end(&self) -> u32 {
            0
        }

        fn find(&self, words: &str) -> Option<Range<usize>> {
            let at = self.0.find(words)?;
            Some(at..at + words.len())
        }
    }

    fn views(setting: &str, neutral: &str) -> Result<Vec<String>, AnswerError> {
        let text = Bytes("tea in winter for two");
        let full = text.encode(text.0);
        let prompt = Prompt {
            full: &full,
            question: Some(&full[..3]),
            span: 0..full.len(),
            text: &text,
        };
        let mut conditions = Conditions::named(setting, neutral);
        conditions.find(&prompt)?;
        let tokens = |view: View| Ok(text.decode(&view.tokens(&prompt)?));
        conditions.views().into_iter().map(tokens).collect()
    }

    #[test]
    fn each_condition_is_cut_out_or_replaced_in_the_order_of_their_names() {
        let cut = views(" for two |in winter| ", "").unwrap();
        assert_eq!(
            cut,
            ["tea in winter for two", "tea in winter ", "tea  for two"]
        );
        let replaced = views("in winter", "at times").unwrap();
        assert_eq!(replaced[1], "tea at times for two");
        let absent = views("in summer", "").unwrap_err().to_string();
        assert!(absent.contains("`in summer`"), "{absent}");
    }

    #[test]
    fn without_a_name_the_context_is_the_condition() {
        assert_eq!(views("", "x").unwrap(), ["tea in winter for two", "tea"]);
        assert_eq!(Conditions::named("", "").name(0), "the context");
    }
}
