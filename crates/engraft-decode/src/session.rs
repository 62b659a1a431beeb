//! An answer on its way: all prompts of a method in one pass a token, and the scores it makes of them.

use engraft_runtime::{Ask, Blind, CausalLm, Feed, Probe, Row, Site, Stream};

use crate::{AnswerError, Prompt, Steering, Step, Told, View, answer::choosable};

/// The model that answers, and a weaker one for methods that compare with it.
pub struct Models<'a, M> {
    pub model: &'a M,
    pub amateur: Option<&'a M>,
}

impl<M> Clone for Models<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Models<'_, M> {}

/// Texts that the model has read: one that begins alike need not be read again.
pub struct Pasts<S>(Vec<(Vec<u32>, S)>);

impl<S> Default for Pasts<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Stream> Pasts<S> {
    /// The past that shares most with a text, cut to what it shares; at least one token of the text is
    /// left to read.
    fn shared(&self, text: &[u32]) -> Option<S> {
        let common = |past: &[u32]| past.iter().zip(text).take_while(|(a, b)| a == b).count();
        let pasts = self.0.iter().map(|(past, stream)| (common(past), stream));
        let (shared, stream) = pasts.max_by_key(|(shared, _)| *shared)?;
        let mut stream = stream.clone();
        stream.truncate(shared.min(text.len().saturating_sub(1)));
        Some(stream)
    }
}

/// A prompt that is decoded, and how far it was read.
struct Reading<M: CausalLm> {
    view: View,
    stream: M::Stream,
    text: Vec<u32>,
}

/// A method at work on an answer.
pub struct Session<'a, M: CausalLm> {
    models: Models<'a, M>,
    steering: &'a mut dyn Steering,
    readings: Vec<Reading<M>>,
    /// Prompt and answer so far, in the first view.
    tokens: Vec<u32>,
    prompt: usize,
}

/// What the next token is chosen by.
pub struct Next {
    /// `[vocab]`
    pub scores: Vec<f32>,
    pub told: Told,
}

impl<'a, M: CausalLm> Session<'a, M> {
    /// # Errors
    /// A prompt without what the method needs, or a second model that does not fit the first.
    pub fn new(
        models: Models<'a, M>,
        prompt: &Prompt<'_>,
        steering: &'a mut dyn Steering,
        pasts: &Pasts<M::Stream>,
    ) -> Result<Self, AnswerError> {
        if prompt.full.is_empty() {
            return Err(AnswerError::NoPrompt);
        }
        if let Some(conditions) = steering.conditions() {
            conditions.find(prompt)?;
        }
        let reading = |view: View| -> Result<Reading<M>, AnswerError> {
            let text = view.tokens(prompt)?;
            let stream = match view {
                View::Amateur => models.weaker()?.stream(),
                _ => pasts.shared(&text).unwrap_or_else(|| models.model.stream()),
            };
            Ok(Reading { view, stream, text })
        };
        Ok(Self {
            models,
            readings: steering
                .views()
                .into_iter()
                .map(reading)
                .collect::<Result<_, _>>()?,
            steering,
            tokens: prompt.full.to_vec(),
            prompt: prompt.full.len(),
        })
    }

    /// How many tokens an answer may have until a prompt fills its model's context.
    pub fn room(&self) -> usize {
        let room = |reading: &Reading<M>| {
            let model = match (&reading.view, self.models.amateur) {
                (View::Amateur, Some(amateur)) => amateur,
                _ => self.models.model,
            };
            model.shape().context.saturating_sub(reading.text.len())
        };
        self.readings.iter().map(room).min().unwrap_or(0)
    }

    /// Whether the next token is drawn by its probability.
    pub fn draws(&self) -> bool {
        self.steering.draws()
    }

    /// Reads what was pushed since the last call; the scores of the token that comes next.
    ///
    /// # Errors
    /// More tokens than the model's context, or scores that are no numbers.
    pub fn scores(&mut self) -> Result<Next, AnswerError> {
        let model = self.models.model;
        let mut seen = Seen::new(
            self.steering.sites(),
            self.steering.silenced(),
            model.shape().head_width,
        );
        let logits = read(model, &mut self.readings, false, &mut seen)?;
        let weaker = match self.models.amateur {
            Some(amateur) => read(amateur, &mut self.readings, true, &mut Blind)?,
            None => Vec::new(),
        };
        let vocab = model.shape().vocab;
        let (mut own, mut other) = (logits.chunks_exact(vocab), weaker.chunks_exact(vocab));
        let rows: Vec<&[f32]> = self
            .readings
            .iter()
            .filter_map(|reading| match reading.view {
                View::Amateur => other.next(),
                _ => own.next(),
            })
            .collect();
        let mut scores = rows[0].to_vec();
        let step = Step {
            logits: &rows,
            tokens: &self.tokens,
            prompt: self.prompt,
            states: &seen.states,
            lens: &|states| model.lens(states),
            head: &|states| model.head(states),
        };
        let told = self.steering.scores(&step, &mut scores);
        choosable(&scores)?;
        Ok(Next { scores, told })
    }

    /// Goes on with a token.
    pub fn push(&mut self, token: u32) {
        self.tokens.push(token);
        for reading in &mut self.readings {
            reading.text.push(token);
        }
    }

    /// What was read, for the next session.
    pub fn pasts(self) -> Pasts<M::Stream> {
        let own = self.readings.into_iter();
        let own = own.filter(|reading| reading.view != View::Amateur);
        let past = |mut reading: Reading<M>| {
            reading.text.truncate(reading.stream.len());
            (reading.text, reading.stream)
        };
        Pasts(own.map(past).collect())
    }
}

impl<'a, M: CausalLm> Models<'a, M> {
    /// The second model, where it reads the tokens of the first.
    fn weaker(&self) -> Result<&'a M, AnswerError> {
        let amateur = self.amateur.ok_or(AnswerError::NoAmateur)?;
        let (found, wanted) = (amateur.shape().vocab, self.model.shape().vocab);
        match found == wanted {
            true => Ok(amateur),
            false => Err(AnswerError::AmateurVocabulary { found, wanted }),
        }
    }
}

/// Feeds what is pending in the views of one of both models. Logits `[views, vocab]`.
fn read<M: CausalLm>(
    model: &M,
    readings: &mut [Reading<M>],
    weaker: bool,
    probe: &mut dyn Probe,
) -> Result<Vec<f32>, AnswerError> {
    let mut feeds: Vec<_> = readings
        .iter_mut()
        .filter(|reading| (reading.view == View::Amateur) == weaker)
        .map(|reading| Feed {
            tokens: &reading.text[reading.stream.len()..],
            stream: &mut reading.stream,
            ask: Ask::Last,
        })
        .collect();
    if feeds.is_empty() {
        return Ok(Vec::new());
    }
    Ok(model.forward(&mut feeds, probe)?)
}

/// Copies what a method reads at the last position of its first view, and silences heads.
struct Seen<'a> {
    sites: Vec<Site>,
    states: Vec<Vec<f32>>,
    silenced: &'a [(usize, usize)],
    head_width: usize,
}

impl<'a> Seen<'a> {
    fn new(sites: Vec<Site>, silenced: &'a [(usize, usize)], head_width: usize) -> Self {
        Self {
            states: vec![Vec::new(); sites.len()],
            sites,
            silenced,
            head_width,
        }
    }

    fn silences(&self, block: usize) -> impl Iterator<Item = usize> {
        let silenced = self.silenced.iter();
        silenced.filter_map(move |&(of, head)| (of == block).then_some(head))
    }
}

impl Probe for Seen<'_> {
    fn wants(&self, site: Site) -> bool {
        let silenced = matches!(site, Site::Heads(block) if self.silences(block).next().is_some());
        silenced || self.sites.contains(&site)
    }

    fn at(&mut self, site: Site, rows: &[Row], values: &mut [f32]) {
        let width = values.len() / rows.len();
        if let Site::Heads(block) = site {
            let heads: Vec<usize> = self.silences(block).collect();
            for row in values.chunks_exact_mut(width) {
                for head in &heads {
                    row[head * self.head_width..][..self.head_width].fill(0.0);
                }
            }
        }
        let first = |row: &Row| row.feed == 0 && row.last;
        if let (Some(at), Some(row)) = (
            self.sites.iter().position(|wanted| *wanted == site),
            rows.iter().position(first),
        ) {
            self.states[at] = values[row * width..(row + 1) * width].to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Read(usize);

    impl Stream for Read {
        fn len(&self) -> usize {
            self.0
        }

        fn truncate(&mut self, len: usize) {
            self.0 = self.0.min(len);
        }
    }

    #[test]
    fn a_text_goes_on_from_the_past_that_it_shares_most_with() {
        let pasts = Pasts(vec![(vec![1, 2], Read(2)), (vec![1, 2, 3, 4], Read(4))]);
        let shared = |text: &[u32]| pasts.shared(text).map(|stream| stream.0);
        assert_eq!(shared(&[1, 2, 3, 9]), Some(3));
        assert_eq!(shared(&[1, 2, 3, 4]), Some(3), "one token is left to read");
        assert_eq!(shared(&[7]), Some(0));
        assert_eq!(Pasts::<Read>::default().shared(&[1]).map(|s| s.0), None);
    }
}
