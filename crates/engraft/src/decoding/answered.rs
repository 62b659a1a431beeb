//! The text of an answer as it grows: in whole characters, and never the beginning of a stop.

use engraft_decode::Go;
use engraft_files::Tokenizer;

/// The answer so far.
pub struct Answered<'a> {
    tokenizer: &'a Tokenizer,
    stops: &'a [String],
    tokens: Vec<u32>,
    /// What the first `settled` tokens say: whole characters, which later tokens leave as they are.
    text: String,
    settled: usize,
    /// Where the tokens begin that were settled last. Decoded before those after them, which may read
    /// otherwise at the beginning of a text.
    before: usize,
    /// Bytes of the text that have been said.
    said: usize,
    /// Where a stop begins.
    end: Option<usize>,
}

impl<'a> Answered<'a> {
    /// An answer that ends before any of `stops`.
    pub fn new(tokenizer: &'a Tokenizer, stops: &'a [String]) -> Self {
        Self {
            tokenizer,
            stops,
            tokens: Vec::new(),
            text: String::new(),
            settled: 0,
            before: 0,
            said: 0,
            end: None,
        }
    }

    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Adds a token; what of the text can be said now, and whether it goes on.
    pub fn push(&mut self, token: u32) -> (String, Go) {
        self.tokens.push(token);
        let new = self.unsettled();
        // A character that is not whole yet shows as this mark.
        if !new.ends_with('\u{FFFD}') {
            self.text.push_str(&new);
            (self.before, self.settled) = (self.settled, self.tokens.len());
        }
        let open = &self.text[self.said..];
        let stops = self.stops.iter().filter(|stop| !stop.is_empty());
        let stop = stops.clone().filter_map(|stop| open.find(stop.as_str()));
        if let Some(at) = stop.min() {
            self.end = Some(self.said + at);
            return (self.say(self.said + at), Go::Stop);
        }
        let held = stops.filter_map(|stop| beginning(open, stop)).max();
        (self.say(self.text.len() - held.unwrap_or(0)), Go::On)
    }

    /// What the tokens after the settled ones add to the text.
    fn unsettled(&self) -> String {
        let known = &self.tokens[self.before..self.settled];
        let known = self.tokenizer.decode(known).len();
        let all = self.tokenizer.decode(&self.tokens[self.before..]);
        all.get(known..).unwrap_or_default().to_owned()
    }

    fn say(&mut self, end: usize) -> String {
        let new = self.text[self.said..end].to_owned();
        self.said = end;
        new
    }

    /// All of the text that may be said.
    pub fn whole(&self) -> String {
        match self.end {
            Some(end) => self.text[..end].to_owned(),
            None => format!("{}{}", self.text, self.unsettled()),
        }
    }

    /// What was held back, once the answer has ended.
    pub fn rest(&self) -> String {
        self.whole().split_off(self.said)
    }
}

/// Bytes at the end of a text that may be the beginning of a stop.
fn beginning(text: &str, stop: &str) -> Option<usize> {
    let starts = stop.char_indices().map(|(at, _)| at).skip(1);
    starts
        .filter(|&length| text.ends_with(&stop[..length]))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_held_back_is_the_whole_up_to_the_stop() {
        let tokenizer = Tokenizer::chars(["abcd ü"].into_iter());
        let stops = ["bcd".to_owned()];
        let say = |text: &str| {
            let mut answered = Answered::new(&tokenizer, &stops);
            let mut said = Vec::new();
            for token in tokenizer.encode(text) {
                let (new, go) = answered.push(token);
                said.push(new);
                if go == Go::Stop {
                    break;
                }
            }
            (said, answered.rest(), answered.whole())
        };
        let (said, rest, whole) = say("aübcd a");
        assert_eq!(said, ["a", "ü", "", "", ""]);
        assert_eq!((&*rest, &*whole), ("", "aü"));
        let (said, rest, whole) = say("dbbc");
        assert_eq!(said, ["d", "", "b", ""]);
        assert_eq!((&*rest, &*whole), ("bc", "dbbc"));
    }
}
