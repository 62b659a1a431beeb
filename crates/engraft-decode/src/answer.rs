//! The loop that decodes an answer: all prompts of a method through one pass a token, its scores, the
//! next token.

use engraft_runtime::{Ask, CausalLm, Feed, Probe, Row, RuntimeError, Site};

use crate::{
    Steering, Step, Told, View,
    logits::{argmax, log_softmax},
};

/// Why an answer could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("the prompt is empty; write a question")]
    NoPrompt,
    #[error("this method compares the prompt with and without its context; give one")]
    NoContext,
    #[error("this method needs a second, weaker model, which cannot be given yet")]
    NoAmateur,
    #[error("the method needs the words `{0}` in the prompt, and they are not there")]
    NoCondition(String),
    #[error("the scores of token {0} hold NaN; the weights or the method's settings are damaged")]
    NotANumber(usize),
}

/// What is asked, in tokens.
pub struct Prompt<'a> {
    /// Context and question.
    pub full: &'a [u32],
    /// The question alone, where there is a context.
    pub question: Option<&'a [u32]>,
    /// The tokens of the full prompt that hold these words.
    pub find: &'a dyn Fn(&str) -> Option<std::ops::Range<usize>>,
}

/// A token of the answer.
pub struct Chosen {
    pub token: u32,
    /// Its log-probability under the scores, and the best alternatives with theirs.
    pub log_probability: f32,
    pub alternatives: Vec<(u32, f32)>,
    pub told: Told,
}

/// Whether decoding goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    On,
    Stop,
}

/// How long an answer may be and how its tokens are drawn.
pub struct Limits<'a> {
    pub tokens: usize,
    /// Tokens that end an answer; they are not part of it.
    pub ends: &'a [u32],
    /// How many alternatives are reported.
    pub alternatives: usize,
    /// Uniform numbers from 0 to 1, for methods that draw.
    pub uniform: &'a mut dyn FnMut() -> f64,
}

/// Decodes an answer, telling every token as it comes.
///
/// # Errors
/// A prompt or a model that lacks what the method needs, or one that is too long.
pub fn answer<M: CausalLm>(
    model: &M,
    prompt: &Prompt<'_>,
    steering: &mut dyn Steering,
    limits: &mut Limits<'_>,
    tell: &mut dyn FnMut(Chosen) -> Go,
) -> Result<(), AnswerError> {
    if prompt.full.is_empty() {
        return Err(AnswerError::NoPrompt);
    }
    while let Some(words) = steering.condition().map(str::to_owned) {
        match (prompt.find)(&words) {
            Some(tokens) => steering.resolved(tokens),
            None => return Err(AnswerError::NoCondition(words)),
        }
    }
    let mut pending: Vec<Vec<u32>> = steering
        .views()
        .into_iter()
        .map(|view| tokens(view, prompt))
        .collect::<Result<_, _>>()?;
    let mut streams: Vec<M::Stream> = pending.iter().map(|_| model.stream()).collect();
    let mut told = prompt.full.to_vec();
    for _ in 0..limits.tokens {
        let mut seen = Seen::new(
            steering.sites(),
            steering.silenced(),
            model.shape().head_width,
        );
        let mut feeds: Vec<_> = streams
            .iter_mut()
            .zip(&pending)
            .map(|(stream, tokens)| Feed {
                stream,
                tokens,
                ask: Ask::Last,
            })
            .collect();
        let logits = model.forward(&mut feeds, &mut seen)?;
        let rows: Vec<&[f32]> = logits.chunks_exact(model.shape().vocab).collect();
        let mut scores = rows[0].to_vec();
        let step = Step {
            logits: &rows,
            tokens: &told,
            prompt: prompt.full.len(),
            states: &seen.states,
            lens: &|states| model.lens(states),
            head: &|states| model.head(states),
        };
        let words = steering.scores(&step, &mut scores);
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(AnswerError::NotANumber(at));
        }
        let log_probabilities = log_softmax(&scores);
        let token = match steering.draws() {
            true => drawn(&log_probabilities, (limits.uniform)()),
            false => argmax(&scores),
        } as u32;
        if limits.ends.contains(&token) {
            break;
        }
        let chosen = Chosen {
            token,
            log_probability: log_probabilities[token as usize],
            alternatives: best(&log_probabilities, limits.alternatives),
            told: words,
        };
        told.push(token);
        if tell(chosen) == Go::Stop {
            break;
        }
        pending = vec![vec![token]; streams.len()];
    }
    Ok(())
}

/// The tokens of a view.
fn tokens(view: View, prompt: &Prompt<'_>) -> Result<Vec<u32>, AnswerError> {
    match view {
        View::Full => Ok(prompt.full.to_vec()),
        View::NoContext => prompt
            .question
            .map(<[u32]>::to_vec)
            .ok_or(AnswerError::NoContext),
        View::Without(range) => {
            let (before, after) = (&prompt.full[..range.start], &prompt.full[range.end..]);
            Ok([before, after].concat())
        }
        View::Amateur => Err(AnswerError::NoAmateur),
    }
}

/// The token in whose share of the probability `uniform` falls.
fn drawn(log_probabilities: &[f32], uniform: f64) -> usize {
    let mut left = uniform;
    let mut last = 0;
    for (token, &log_probability) in log_probabilities.iter().enumerate() {
        if log_probability == f32::NEG_INFINITY {
            continue;
        }
        last = token;
        left -= f64::from(log_probability).exp();
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The most probable tokens, best first.
fn best(log_probabilities: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut found: Vec<(u32, f32)> = Vec::new();
    if count == 0 {
        return found;
    }
    for (token, &score) in log_probabilities.iter().enumerate() {
        let least = found.last().map_or(f32::NEG_INFINITY, |(_, least)| *least);
        if found.len() < count || score > least {
            let at = found.partition_point(|(_, other)| *other >= score);
            found.insert(at, (token as u32, score));
            found.truncate(count);
        }
    }
    found
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

    #[test]
    fn a_draw_falls_by_probability_and_never_on_what_is_impossible() {
        let scores = [
            f32::NEG_INFINITY,
            0.5f32.ln(),
            f32::NEG_INFINITY,
            0.5f32.ln(),
        ];
        assert_eq!(
            [0.0, 0.49, 0.51, 0.999].map(|u| drawn(&scores, u)),
            [1, 1, 3, 3]
        );
    }

    #[test]
    fn the_best_come_first() {
        assert_eq!(best(&[0.1, 0.9, 0.5], 2), [(1, 0.9), (2, 0.5)]);
        assert_eq!(best(&[0.1], 3), [(0, 0.1)]);
        assert!(best(&[0.1], 0).is_empty());
    }
}
