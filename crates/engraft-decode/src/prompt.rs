//! What is asked, in tokens, and how tokens and text turn into each other.

use std::ops::Range;

/// The tokenizer, as far as decoding needs it.
pub trait Text {
    /// The tokens of a text.
    fn encode(&self, text: &str) -> Vec<u32>;

    /// The text of tokens, special ones left out.
    fn decode(&self, tokens: &[u32]) -> String;

    /// The token that ends a text.
    fn end(&self) -> u32;

    /// The tokens of the full prompt that hold these words of the asker, not of a template: every token
    /// with a part of them, in the last place of several.
    fn find(&self, words: &str) -> Option<Range<usize>>;
}

/// A prompt with and without its context.
#[derive(Clone)]
pub struct Prompt<'a> {
    /// Context and question.
    pub full: &'a [u32],
    /// The question alone, where there is a context.
    pub question: Option<&'a [u32]>,
    /// The tokens of the full prompt that hold the context; all of them where there is none.
    pub span: Range<usize>,
    pub text: &'a dyn Text,
}
