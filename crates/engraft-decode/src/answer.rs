//! An answer token by token, whatever way it is decoded, and the probability of a given one.

use engraft_runtime::{Ask, Blind, CacheGradient, CausalLm, Feed, RuntimeError};

use crate::{
    Models, Pasts, Prompt, Session, Told, Way,
    beam::{Task, beam_search},
    logits::{argmax, log_softmax},
    methods::opera::{self, OperaError},
};

/// Why an answer could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Opera(#[from] OperaError),
    #[error("the prompt is empty; write a question")]
    NoPrompt,
    #[error("this method compares the prompt with and without its context; give one")]
    NoContext,
    #[error("this method compares with a second, weaker model; name one with --amateur")]
    NoAmateur,
    #[error(
        "the second model has {found} tokens and the first {wanted}; they must share a vocabulary"
    )]
    AmateurVocabulary { found: usize, wanted: usize },
    #[error("nothing of the prompt is left without its context or condition; add a question")]
    NothingLeft,
    #[error("the words `{0}` do not stand in the prompt; copy them from there")]
    NoCondition(String),
    #[error(
        "the score of token {0} is NaN or infinite; the weights or the method's settings are damaged"
    )]
    NotANumber(usize),
    #[error("every token is ruled out; loosen the method's settings")]
    NothingPossible,
    #[error("the search was stopped before it had an answer")]
    Stopped,
    #[error("this method searches whole answers; it gives no probability to a given one")]
    NoScores,
}

/// A token of the answer.
#[derive(Clone, Debug)]
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
    /// Whether a search is to be given up, asked before every step.
    pub stopped: &'a dyn Fn() -> bool,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By a token that ends it, by who was told of it, or at the length asked for.
    AsAsked,
    /// The model's context is full.
    Full,
}

/// A token of a given answer under the scores of a method.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub log_probability: f32,
    /// Whether the method would have chosen it.
    pub first: bool,
}

/// Decodes an answer, telling every token as it comes; searches tell theirs when they are done. It is
/// never longer than the model's context has room for.
///
/// # Errors
/// A prompt or a model that lacks what the method needs, or one that is too long.
pub fn answer<M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>>(
    models: Models<'_, M>,
    prompt: &Prompt<'_>,
    way: &mut Way,
    pasts: &mut Pasts<M::Stream>,
    limits: &mut Limits<'_>,
    tell: &mut dyn FnMut(Chosen) -> Go,
) -> Result<Ended, AnswerError> {
    if prompt.full.is_empty() {
        return Err(AnswerError::NoPrompt);
    }
    let model = models.model;
    let (wanted, mut count, mut stopped) = (limits.tokens, 0, false);
    let tell = &mut |chosen: Chosen| {
        let go = tell(chosen);
        (count, stopped) = (count + 1, go == Go::Stop);
        go
    };
    let mut room = model.shape().context.saturating_sub(prompt.full.len());
    limits.within(room, model, prompt)?;
    match way {
        Way::Steer(steering) => {
            let session = Session::new(models, prompt, &mut **steering, pasts)?;
            room = session.room();
            limits.within(room, model, prompt)?;
            *pasts = steered(session, limits, tell)?;
        }
        Way::Kid(infusion) => infusion.answer(model, prompt, limits, tell)?,
        Way::Beam(beam) => {
            let task = Task {
                prompt: prompt.full,
                ends: limits.ends,
                limit: limits.tokens,
                stopped: limits.stopped,
            };
            let found = beam_search(model, &task, beam)?;
            let best = found.into_iter().next();
            let told = best.map_or_else(Vec::new, |best| best.told());
            retold(model, prompt.full, told, limits, tell)?;
        }
        Way::Opera(settings) => {
            let task = opera::Task {
                prompt: prompt.full,
                span: prompt.span.clone(),
                response: prompt.full.len(),
                ends: limits.ends,
                limit: limits.tokens,
                stopped: limits.stopped,
            };
            let told = opera::search(model, &task, settings)?.told();
            retold(model, prompt.full, told, limits, tell)?;
        }
    }
    Ok(match count == room && room < wanted && !stopped {
        true => Ended::Full,
        false => Ended::AsAsked,
    })
}

impl Limits<'_> {
    /// Shortens the answer to the room that there is; a prompt that leaves none is an error.
    fn within<M: CausalLm>(
        &mut self,
        room: usize,
        model: &M,
        prompt: &Prompt<'_>,
    ) -> Result<(), RuntimeError> {
        if room == 0 && self.tokens > 0 {
            let context = model.shape().context;
            let wanted = prompt.full.len().max(context) + 1;
            return Err(RuntimeError::Context { wanted, context });
        }
        self.tokens = self.tokens.min(room);
        Ok(())
    }
}

/// Whether a token can be chosen by these scores.
///
/// # Errors
/// A score that is no number, or none above `-inf`.
pub fn choosable(scores: &[f32]) -> Result<(), AnswerError> {
    let wrong = |score: &f32| score.is_nan() || *score == f32::INFINITY;
    match scores.iter().position(wrong) {
        Some(at) => Err(AnswerError::NotANumber(at)),
        None if scores.iter().all(|score| *score == f32::NEG_INFINITY) => {
            Err(AnswerError::NothingPossible)
        }
        None => Ok(()),
    }
}

/// What a method says of every token of a given answer.
///
/// # Errors
/// As [`answer`], and a method that gives no scores.
pub fn score<M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>>(
    models: Models<'_, M>,
    prompt: &Prompt<'_>,
    way: &mut Way,
    pasts: &mut Pasts<M::Stream>,
    given: &[u32],
) -> Result<Vec<Given>, AnswerError> {
    match way {
        Way::Steer(steering) => {
            let mut session = Session::new(models, prompt, &mut **steering, pasts)?;
            let mut found = Vec::with_capacity(given.len());
            for &token in given {
                found.push(Given::of(token, &log_softmax(&session.scores()?.scores)));
                session.push(token);
            }
            *pasts = session.pasts();
            Ok(found)
        }
        Way::Kid(infusion) => infusion.score(models.model, prompt, given),
        Way::Beam(_) | Way::Opera(_) => Err(AnswerError::NoScores),
    }
}

impl Given {
    /// From the log-probabilities `[vocab]` of all tokens.
    pub(crate) fn of(token: u32, log_probabilities: &[f32]) -> Self {
        Self {
            log_probability: log_probabilities[token as usize],
            first: argmax(log_probabilities) == token as usize,
        }
    }
}

fn steered<M: CausalLm>(
    mut session: Session<'_, M>,
    limits: &mut Limits<'_>,
    tell: &mut dyn FnMut(Chosen) -> Go,
) -> Result<Pasts<M::Stream>, AnswerError> {
    for _ in 0..limits.tokens {
        let next = session.scores()?;
        let log_probabilities = log_softmax(&next.scores);
        let chosen = match session.draws() {
            true => drawn(&log_probabilities, (limits.uniform)()),
            false => argmax(&next.scores),
        };
        let token = chosen as u32;
        if limits.ends.contains(&token) {
            break;
        }
        let told = Chosen {
            token,
            log_probability: log_probabilities[chosen],
            alternatives: best(&log_probabilities, limits.alternatives),
            told: next.told,
        };
        if tell(told) == Go::Stop {
            break;
        }
        session.push(token);
    }
    Ok(session.pasts())
}

/// Tokens whose logits are in memory together.
const PIECE: usize = 64;

/// Tells the tokens that a search found, with the probabilities that the plain model gives them.
fn retold<M: CausalLm>(
    model: &M,
    prompt: &[u32],
    found: Vec<(u32, Told)>,
    limits: &Limits<'_>,
    tell: &mut dyn FnMut(Chosen) -> Go,
) -> Result<(), AnswerError> {
    let (vocab, mut stream) = (model.shape().vocab, model.stream());
    let said = found.iter().map(|(token, _)| *token);
    let said: Vec<u32> = said
        .take_while(|token| !limits.ends.contains(token))
        .collect();
    let read = [prompt, &said].concat();
    let (before, read) = read.split_at(prompt.len() - 1);
    if !before.is_empty() {
        let feed = Feed {
            stream: &mut stream,
            tokens: before,
            ask: Ask::Nothing,
        };
        model.forward(&mut [feed], &mut Blind)?;
    }
    let mut found = found.into_iter();
    for piece in read[..said.len()].chunks(PIECE) {
        let feed = Feed {
            stream: &mut stream,
            tokens: piece,
            ask: Ask::All,
        };
        let logits = model.forward(&mut [feed], &mut Blind)?;
        for (row, (token, told)) in logits.chunks_exact(vocab).zip(&mut found) {
            let log_probabilities = log_softmax(row);
            let chosen = Chosen {
                token,
                log_probability: log_probabilities[token as usize],
                alternatives: best(&log_probabilities, limits.alternatives),
                told,
            };
            if tell(chosen) == Go::Stop {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The token in whose share of the probability `uniform` falls.
pub(crate) fn drawn(log_probabilities: &[f32], uniform: f64) -> usize {
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
pub(crate) fn best(log_probabilities: &[f32], count: usize) -> Vec<(u32, f32)> {
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
    fn scores_by_which_nothing_can_be_chosen_are_named() {
        let said = |scores: &[f32]| choosable(scores).unwrap_err().to_string();
        assert!(choosable(&[f32::NEG_INFINITY, 1.0]).is_ok());
        assert!(said(&[0.0, f32::NAN]).contains("token 1"));
        assert!(said(&[f32::INFINITY, 0.0]).contains("token 0"));
        assert!(said(&[f32::NEG_INFINITY; 2]).contains("every token is ruled out"));
    }

    #[test]
    fn the_best_come_first() {
        assert_eq!(best(&[0.1, 0.9, 0.5], 2), [(1, 0.9), (2, 0.5)]);
        assert_eq!(best(&[0.1], 3), [(0, 0.1)]);
        assert!(best(&[0.1], 0).is_empty());
    }
}
