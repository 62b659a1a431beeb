//! The text of an answer as it grows: in whole characters, and never the beginning of a stop.

use engraft_decode::Go;
use engraft_files::Tokenizer;

/// The answer so far.
pub struct Answered<'a> {
    tokenizer: &'a Tokenizer,
    stops: &'a [String],
    tokens: Vec<u32>,
    /// Bytes of the text that have been said.
    said: usize,
    stopped: bool,
}

impl<'a> Answered<'a> {
    /// An answer that ends before any of `stops`.
    pub fn new(tokenizer: &'a Tokenizer, stops: &'a [String]) -> Self {
        Self {
            tokenizer,
            stops,
            tokens: Vec::new(),
            said: 0,
            stopped: false,
        }
    }

    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Adds a token; what of the text can be said now, and whether it goes on.
    pub fn push(&mut self, token: u32) -> (String, Go) {
        self.tokens.push(token);
        let text = self.tokenizer.decode(&self.tokens);
        let stops = self.stops.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops
            .clone()
            .filter_map(|stop| text.find(stop.as_str()))
            .min()
        {
            self.stopped = true;
            return (self.say(&text, at), Go::Stop);
        }
        let held = stops
            .filter_map(|stop| beginning(&text, stop))
            .max()
            .unwrap_or(0);
        // A character that is not whole yet shows as this mark.
        let whole = text.trim_end_matches('\u{FFFD}').len();
        (self.say(&text, whole.min(text.len() - held)), Go::On)
    }

    fn say(&mut self, text: &str, end: usize) -> String {
        let from = self.said.min(end);
        self.said = end.max(from);
        text.get(from..end).unwrap_or_default().to_owned()
    }

    /// All of the text that may be said.
    pub fn whole(&mut self) -> String {
        self.said = 0;
        let text = self.tokenizer.decode(&self.tokens);
        let stops = self.stops.iter().filter(|stop| !stop.is_empty());
        let end = stops.filter_map(|stop| text.find(stop.as_str())).min();
        self.say(&text, end.unwrap_or(text.len()))
    }

    /// What was held back, once the answer has ended.
    pub fn rest(&mut self) -> String {
        let text = self.tokenizer.decode(&self.tokens);
        let end = if self.stopped { self.said } else { text.len() };
        self.say(&text, end)
    }
}

/// Bytes at the end of a text that may be the beginning of a stop.
fn beginning(text: &str, stop: &str) -> Option<usize> {
    let starts = stop.char_indices().map(|(at, _)| at).skip(1);
    starts
        .filter(|&length| text.ends_with(&stop[..length]))
        .max()
}
