//! Beam search: several answers side by side, all through one pass a token, the best of them kept.

use std::cmp::Ordering;

use engraft_runtime::{Ask, Blind, CausalLm, Feed, RuntimeError, Stream};

use crate::{AnswerError, Told, answer::choosable, logits::log_softmax};

pub use crate::methods::beam::{Beam, EarlyStopping};

/// An answer that came to an end.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The answer without the prompt; the token that ended it is the last one.
    pub tokens: Vec<u32>,
    /// Its log-probability, divided by its length to the power of the length penalty.
    pub score: f64,
}

impl Hypothesis {
    /// Its tokens; the score stands at the first.
    pub fn told(self) -> Vec<(u32, Told)> {
        let score = |at: usize| match at {
            0 => vec![("score", self.score)],
            _ => Vec::new(),
        };
        let tokens = self.tokens.iter().enumerate();
        tokens
            .map(|(at, &token)| {
                let numbers = score(at);
                (
                    token,
                    Told {
                        numbers,
                        ..Told::default()
                    },
                )
            })
            .collect()
    }
}

/// What is searched for.
pub struct Task<'a> {
    pub prompt: &'a [u32],
    /// Tokens that end an answer.
    pub ends: &'a [u32],
    /// Most tokens of an answer.
    pub limit: usize,
    /// Whether the search is to be given up, asked before every step.
    pub stopped: &'a dyn Fn() -> bool,
}

/// An answer on its way.
struct Running<S> {
    /// Prompt and answer so far.
    tokens: Vec<u32>,
    /// Log-probability of the answer so far.
    score: f64,
    stream: S,
}

/// A running answer with one more token.
#[derive(Clone, Copy)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f64,
}

/// The best answers, best first; at most as many as there are beams.
///
/// As in transformers 5: of twice as many candidates as beams, those that end an answer count only
/// among the first half, and the others go on.
///
/// # Errors
/// A prompt that is beyond the vocabulary, or too long with its answer; a search that was given up.
pub fn beam_search<M: CausalLm>(
    model: &M,
    task: &Task<'_>,
    settings: &Beam,
) -> Result<Vec<Hypothesis>, AnswerError> {
    let Task {
        prompt,
        ends: eos,
        limit,
        stopped,
    } = *task;
    if prompt.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    // All beams are the same at first, and equal ones would only crowd out what is different.
    let mut running = vec![Running {
        tokens: prompt.to_vec(),
        score: 0.0,
        stream: model.stream(),
    }];
    let mut finished = Vec::new();
    let beams = settings.num_beams;
    let wanted = beams * (1 + eos.len()).max(2);
    for length in 1..=limit {
        if stopped() {
            return Err(AnswerError::Stopped);
        }
        let logits = forward(model, &mut running)?;
        let candidates = candidates(&running, &logits, wanted)?;
        let ends = |candidate: &Candidate| length == limit || eos.contains(&candidate.token);

        for ended in candidates.iter().take(beams).filter(|c| ends(c)) {
            let mut tokens = running[ended.beam].tokens[prompt.len()..].to_vec();
            tokens.push(ended.token);
            let score = settings.normalised(ended.score, length);
            finished.push(Hypothesis { tokens, score });
        }
        finished.sort_by(|a, b| descending(a.score, b.score));
        finished.truncate(beams);

        let open: Vec<&Candidate> = candidates.iter().filter(|c| !ends(c)).take(beams).collect();
        let Some(best) = open.first() else {
            break;
        };
        let worst = (finished.len() == beams).then(|| finished[beams - 1].score);
        if worst.is_some_and(|worst| settings.stops(worst, best.score, length, limit)) {
            break;
        }
        running = open
            .into_iter()
            .map(|candidate| running[candidate.beam].with(candidate))
            .collect();
    }
    Ok(finished)
}

impl<S: Stream> Running<S> {
    /// A fork that goes on with another token.
    fn with(&self, candidate: &Candidate) -> Self {
        let mut tokens = self.tokens.clone();
        tokens.push(candidate.token);
        Self {
            tokens,
            score: candidate.score,
            stream: self.stream.clone(),
        }
    }
}

/// Feeds every beam what it was not fed yet. Logits `[beams, vocab]`.
fn forward<M: CausalLm>(
    model: &M,
    running: &mut [Running<M::Stream>],
) -> Result<Vec<f32>, RuntimeError> {
    let mut feeds: Vec<Feed<'_, M::Stream>> = running
        .iter_mut()
        .map(|Running { tokens, stream, .. }| Feed {
            tokens: &tokens[stream.len()..],
            stream,
            ask: Ask::Last,
        })
        .collect();
    model.forward(&mut feeds, &mut Blind)
}

/// The best continuations of all beams, best first.
fn candidates<S>(
    running: &[Running<S>],
    logits: &[f32],
    wanted: usize,
) -> Result<Vec<Candidate>, AnswerError> {
    let mut found: Vec<Candidate> = Vec::with_capacity(wanted + 1);
    let rows = logits.chunks_exact(logits.len() / running.len());
    for (beam, (at, row)) in running.iter().zip(rows.enumerate()) {
        choosable(row)?;
        let scores = log_softmax(row);
        // What a token must exceed, as a log-probability: found out once a find, not once a token.
        let mut least = least_of(&found, wanted, beam.score);
        for (token, &score) in scores.iter().enumerate() {
            if score <= least {
                continue;
            }
            let candidate = Candidate {
                beam: at,
                token: token as u32,
                score: beam.score + f64::from(score),
            };
            let place = found.partition_point(|other| other.score >= candidate.score);
            found.insert(place, candidate);
            found.truncate(wanted);
            least = least_of(&found, wanted, beam.score);
        }
    }
    Ok(found)
}

/// The log-probability that the worst candidate would need in a beam of that score.
fn least_of(found: &[Candidate], wanted: usize, score: f64) -> f32 {
    match found.last() {
        Some(worst) if found.len() == wanted => (worst.score - score) as f32,
        _ => f32::NEG_INFINITY,
    }
}

fn descending(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::beam::bigram::Bigram;

    /// Token 0 starts, 3 ends; the likeliest first step (1) leads to poor ends, the other (2) to a sure
    /// one.
    fn garden_path() -> Bigram {
        let ln = |row: [f64; 4]| row.map(|p| p.ln() as f32);
        let table = [
            ln([0.0, 0.6, 0.4, 0.0]),
            ln([0.25, 0.25, 0.25, 0.25]),
            ln([0.0, 0.0, 0.0, 1.0]),
            ln([0.25, 0.25, 0.25, 0.25]),
        ];
        Bigram::new(table.concat(), Vec::new(), 4)
    }

    fn task<'a>(prompt: &'a [u32], ends: &'a [u32], limit: usize) -> Task<'a> {
        Task {
            prompt,
            ends,
            limit,
            stopped: &|| false,
        }
    }

    #[test]
    fn beams_find_the_probable_answer_that_greedy_misses() {
        let beam = |num_beams| Beam {
            num_beams,
            length_penalty: 0.0,
            ..Beam::default()
        };
        let search = |settings: &Beam, limit: usize| {
            let found = beam_search(&garden_path(), &task(&[0], &[3], limit), settings);
            found.unwrap().remove(0)
        };
        let best = search(&beam(2), 3);
        assert_eq!(best.tokens, [2, 3]);
        assert!((best.score - 0.4f64.ln()).abs() < 1e-6);
        assert_eq!(search(&beam(1), 1).tokens, [1]);
        let nothing = beam_search(&garden_path(), &task(&[], &[3], 4), &Beam::default());
        assert!(nothing.unwrap().is_empty());
    }

    #[test]
    fn a_search_is_given_up_when_it_is_told_to_or_cannot_choose() {
        let steps = std::cell::Cell::new(0);
        let after_two = || {
            steps.set(steps.get() + 1);
            steps.get() > 2
        };
        let given_up = Task {
            stopped: &after_two,
            ..task(&[0], &[], 99)
        };
        let found = beam_search(&garden_path(), &given_up, &Beam::default());
        assert!(matches!(found, Err(AnswerError::Stopped)));
        assert_eq!(steps.get(), 3);
        let damaged = |score: f32| {
            let model = Bigram::new(vec![score; 4], Vec::new(), 2);
            beam_search(&model, &task(&[0], &[], 3), &Beam::default())
        };
        assert!(matches!(damaged(f32::NAN), Err(AnswerError::NotANumber(0))));
        assert!(matches!(
            damaged(f32::NEG_INFINITY),
            Err(AnswerError::NothingPossible)
        ));
    }
}
