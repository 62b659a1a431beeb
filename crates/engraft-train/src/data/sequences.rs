//! Token sequences into batches.

use std::sync::Arc;

use engraft_nets::{Batch, IGNORE, Input};

/// Turns text into token ids.
pub type Encoder = Arc<dyn Fn(&str) -> Vec<u32> + Send + Sync>;

/// The tokens that are not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Stands before every text, where the model wants one.
    pub start: Option<u32>,
    /// Stands after every text.
    pub end: Option<u32>,
    /// Fills rows up; never predicted.
    pub padding: u32,
}

impl Marks {
    /// A whole text with its marks.
    pub fn around(&self, ids: Vec<u32>) -> Vec<u32> {
        self.start.into_iter().chain(ids).chain(self.end).collect()
    }
}

/// Tokens of one row and which of them are to be predicted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    pub ids: Vec<u32>,
    /// One flag a token: whether predicting it from the tokens before counts. The first token's
    /// flag has no effect, since nothing comes before it.
    pub predicted: Vec<bool>,
    /// Where it came from in its data set.
    pub sample: usize,
}

impl Sequence {
    /// Appends tokens.
    pub fn push(&mut self, ids: &[u32], predicted: bool) {
        self.ids.extend(ids);
        self.predicted.resize(self.ids.len(), predicted);
    }

    /// Cuts to the first `tokens` tokens.
    pub fn truncate(&mut self, tokens: usize) {
        self.ids.truncate(tokens);
        self.predicted.truncate(tokens);
    }
}

/// A batch of sequences, padded on the right with `padding` to the longest.
///
/// The last token of a row is only a label, so rows are one shorter than their longest sequence.
pub fn pad(sequences: &[Sequence], padding: u32) -> Batch {
    let tokens = sequences.iter().map(|sequence| sequence.ids.len());
    let tokens = tokens.max().unwrap_or(0).saturating_sub(1).max(1);
    let mut ids = Vec::with_capacity(sequences.len() * tokens);
    let mut labels = Vec::with_capacity(sequences.len() * tokens);
    for sequence in sequences {
        let inputs = sequence.ids.len().saturating_sub(1);
        ids.extend(&sequence.ids[..inputs]);
        ids.resize(ids.len() + tokens - inputs, padding);
        let next = sequence.ids.iter().zip(&sequence.predicted).skip(1);
        labels.extend(next.map(|(&id, &counts)| if counts { i64::from(id) } else { IGNORE }));
        labels.resize(labels.len() + tokens - inputs, IGNORE);
    }
    Batch {
        input: Input::Tokens {
            ids,
            shape: [sequences.len(), tokens],
        },
        labels,
        samples: sequences.iter().map(|sequence| sequence.sample).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_next_tokens_that_count_and_padding_never_does() {
        let mut long = Sequence {
            sample: 4,
            ..Sequence::default()
        };
        long.push(&[1, 2], false);
        long.push(&[3, 4], true);
        let mut short = Sequence::default();
        short.push(&[5, 6], true);
        let batch = pad(&[long, short], 0);
        assert_eq!(
            batch,
            Batch {
                input: Input::Tokens {
                    ids: vec![1, 2, 3, 5, 0, 0],
                    shape: [2, 3]
                },
                labels: vec![IGNORE, 3, 4, 6, IGNORE, IGNORE],
                samples: vec![4, 0],
            }
        );
    }

    #[test]
    fn a_row_of_one_token_has_an_input_but_nothing_to_predict() {
        let mut single = Sequence::default();
        single.push(&[7], true);
        let batch = pad(&[single], 9);
        assert_eq!(batch.labels, [IGNORE]);
        assert_eq!(batch.len(), 1);
    }
}
