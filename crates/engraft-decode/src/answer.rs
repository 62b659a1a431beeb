//! An answer token by token, whatever way it is decoded, and the probability of a given one.

use engraft_runtime::{Ask, Blind, CacheGradient, CausalLm, Feed, RuntimeError};

use crate::{
    Models, Pasts, Prompt, Session, Told, Way,
    beam::beam_search,
    logits::{argmax, log_softmax},
    methods::opera::{self, OperaError},
    processors::Processors,
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
    #[error("the method needs the words `{0}` in the prompt, and they are not there")]
    NoCondition(String),
    #[error("the scores of token {0} hold NaN; the weights or the method's settings are damaged")]
    NotANumber(usize),
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
}

/// Decodes an answer, telling every token as it comes; searches tell theirs when they are done.
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
) -> Result<(), AnswerError> {
    if prompt.full.is_empty() {
        return Err(AnswerError::NoPrompt);
    }
    let model = models.model;
    match way {
        Way::Steer(steering) => {
            let session = Session::new(models, prompt, &mut **steering, pasts)?;
            *pasts = steered(session, limits, tell)?;
            Ok(())
        }
        Way::Kid(infusion) => infusion.answer(model, prompt, limits, tell),
        Way::Beam(beam) => {
            let (start, processors) = (model.stream(), Processors::default());
            let (ends, tokens) = (limits.ends, limits.tokens);
            let found = beam_search(model, start, prompt.full, beam, &processors, ends, tokens)?;
            let best = found.into_iter().next();
            let told = best.map_or_else(Vec::new, |best| best.told());
            retold(model, prompt.full, told, limits, tell)
        }
        Way::Opera(settings) => {
            let task = opera::Task {
                prompt: prompt.full,
                span: prompt.span.clone(),
                response: prompt.full.len(),
                ends: limits.ends,
                limit: limits.tokens,
            };
            let told = opera::search(model, &task, settings)?.told();
            retold(model, prompt.full, told, limits, tell)
        }
    }
}

/// The log-probability of every token of a given answer, under the scores of a method.
///
/// # Errors
/// As [`answer`], and a method that gives no scores.
pub fn score<M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>>(
    models: Models<'_, M>,
    prompt: &Prompt<'_>,
    way: &mut Way,
    pasts: &mut Pasts<M::Stream>,
    given: &[u32],
) -> Result<Vec<f32>, AnswerError> {
    match way {
        Way::Steer(steering) => {
            let mut session = Session::new(models, prompt, &mut **steering, pasts)?;
            let mut found = Vec::with_capacity(given.len());
            for &token in given {
                found.push(log_softmax(&session.scores()?.scores)[token as usize]);
                session.push(token);
            }
            *pasts = session.pasts();
            Ok(found)
        }
        Way::Kid(infusion) => infusion.score(models.model, prompt, given),
        Way::Beam(_) | Way::Opera(_) => Err(AnswerError::NoScores),
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

/// Tells the tokens that a search found, with the probabilities that the plain model gives them.
fn retold<M: CausalLm>(
    model: &M,
    prompt: &[u32],
    found: Vec<(u32, Told)>,
    limits: &Limits<'_>,
    tell: &mut dyn FnMut(Chosen) -> Go,
) -> Result<(), AnswerError> {
    let mut stream = model.stream();
    let mut pending = prompt.to_vec();
    for (token, told) in found {
        if limits.ends.contains(&token) {
            break;
        }
        let feed = Feed {
            stream: &mut stream,
            tokens: &pending,
            ask: Ask::Last,
        };
        let log_probabilities = log_softmax(&model.forward(&mut [feed], &mut Blind)?);
        let chosen = Chosen {
            token,
            log_probability: log_probabilities[token as usize],
            alternatives: best(&log_probabilities, limits.alternatives),
            told,
        };
        if tell(chosen) == Go::Stop {
            break;
        }
        pending = vec![token];
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
    fn the_best_come_first() {
        assert_eq!(best(&[0.1, 0.9, 0.5], 2), [(1, 0.9), (2, 0.5)]);
        assert_eq!(best(&[0.1], 3), [(0, 0.1)]);
        assert!(best(&[0.1], 0).is_empty());
    }
}
