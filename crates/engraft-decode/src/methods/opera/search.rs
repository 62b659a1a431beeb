//! The search: several answers side by side, each candidate charged for over-trust, with a way back.

use std::{cell::RefCell, rc::Rc};

use engraft_runtime::{Ask, Blind, CausalLm, Feed, Probe, RuntimeError};

use super::{
    Opera,
    columns::{Columns, Penalty},
    hypotheses::{Hypotheses, Said},
    past::{Beam, Past, State},
    rows::Rows,
    scores::{Candidate, Extension, banned, best, largest, penalised},
    task::{Found, Task},
};
use crate::{AnswerError, answer::choosable, logits::log_softmax};

/// What beams start with that only wait for the first one to fork.
const WAITING: f32 = -1e9;

/// A search at work.
struct Search<'a, M: CausalLm> {
    model: &'a M,
    task: &'a Task<'a>,
    settings: &'a Opera,
    /// Fed all of the prompt but its last token.
    root: M::Stream,
    /// Those of the beams.
    streams: Vec<M::Stream>,
    now: State,
    past: Past,
    passes: usize,
}

/// The best answer.
///
/// # Errors
/// A task that does not make sense, or a prompt that does not fit the model; a search that was given up.
pub fn search<M: CausalLm>(
    model: &M,
    task: &Task<'_>,
    settings: &Opera,
) -> Result<Found, AnswerError> {
    task.check()?;
    let mut search = Search::new(model, task, settings);
    let mut logits = search.read_prompt()?;
    while search.answered() < task.limit {
        if (task.stopped)() {
            return Err(AnswerError::Stopped);
        }
        let candidates = search.candidates(&logits)?;
        let window = settings.window_size;
        let strongest = search.past.remember(&search.now, &candidates, window);
        let length = search.length() + 1 - task.response;
        match search.past.back(strongest, length, settings) {
            Some(back) => {
                search.now = back.state;
                let rows = banned(search.read_again()?, &back.bans);
                search.extend(&rows, &[]);
            }
            None => {
                let rows = penalised(&candidates, model.shape().vocab, settings);
                search.extend(&rows, &candidates);
            }
        }
        if search.now.ended.borrow().done() || search.now.beams.is_empty() {
            break;
        }
        if search.answered() < task.limit {
            logits = search.read_chosen()?;
        }
    }
    Ok(search.finish())
}

impl<'a, M: CausalLm> Search<'a, M> {
    fn new(model: &'a M, task: &'a Task<'a>, settings: &'a Opera) -> Self {
        Self {
            model,
            task,
            settings,
            root: model.stream(),
            streams: Vec::new(),
            now: State {
                beams: Vec::new(),
                chosen: Vec::new(),
                ended: Rc::new(RefCell::new(Hypotheses::new(settings))),
            },
            past: Past::default(),
            passes: 0,
        }
    }

    /// Tokens of the answers.
    fn answered(&self) -> usize {
        self.now.beams.first().map_or(0, |beam| beam.answer.len())
    }

    /// Tokens of prompt and answers.
    fn length(&self) -> usize {
        self.task.prompt.len() + self.answered()
    }

    /// Feeds the prompt and sets up the beams, all equal. Logits `[beams][vocab]`.
    fn read_prompt(&mut self) -> Result<Vec<Vec<f32>>, AnswerError> {
        let task = self.task;
        let (before, last) = task.prompt.split_at(task.prompt.len() - 1);
        // What the answer does not begin with is read without looking at its attention.
        let (unseen, seen) = before.split_at(task.response.min(before.len()));
        let mut rows = self.rows(1);
        let mut root = [self.root.clone()];
        if !unseen.is_empty() {
            self.feed(&mut root, &[unseen], &mut Blind, Ask::Nothing)?;
        }
        if !seen.is_empty() {
            self.feed(&mut root, &[seen], &mut rows, Ask::Nothing)?;
        }
        let [root] = root;
        self.root = root;
        let mut stream = [self.root.clone()];
        let logits = self.feed(&mut stream, &[last], &mut rows, Ask::Last)?;
        choosable(&logits)?;
        let mut columns = Columns::default();
        for row in rows.of_feed.iter().flatten() {
            columns.push(&row[task.response..], self.settings.scale_factor);
        }
        let beam = |beam: usize| Beam {
            answer: Vec::new(),
            log_probability: if beam == 0 { 0.0 } else { WAITING },
            columns: columns.clone(),
        };
        let beams = self.settings.num_beams;
        self.now.beams = (0..beams).map(beam).collect();
        self.streams = std::iter::repeat_n(&stream[0], beams).cloned().collect();
        Ok(vec![logits; beams])
    }

    /// Feeds every beam the token chosen for it. Logits `[beams][vocab]`.
    fn read_chosen(&mut self) -> Result<Vec<Vec<f32>>, AnswerError> {
        let tokens: Vec<[u32; 1]> = self.now.chosen.iter().map(|(_, token)| [*token]).collect();
        let mut rows = self.rows(tokens.len());
        let mut streams = std::mem::take(&mut self.streams);
        let logits = self.feed(&mut streams, &tokens, &mut rows, Ask::Last)?;
        self.streams = streams;
        for (beam, rows) in self.now.beams.iter_mut().zip(rows.of_feed) {
            for row in rows {
                let answer = &row[self.task.response..];
                beam.columns.push(answer, self.settings.scale_factor);
            }
        }
        self.by_beam(&logits)
    }

    /// Feeds the answers of all beams again. Logits `[beams][vocab]`.
    fn read_again(&mut self) -> Result<Vec<Vec<f32>>, AnswerError> {
        let last = self.task.prompt.last().copied();
        let answer = |beam: &Beam| {
            let answer = beam.answer.iter().map(|said| said.token);
            last.into_iter().chain(answer).collect()
        };
        let tokens: Vec<Vec<u32>> = self.now.beams.iter().map(answer).collect();
        let mut streams = vec![self.root.clone(); tokens.len()];
        let logits = self.feed(&mut streams, &tokens, &mut Blind, Ask::Last)?;
        self.streams = streams;
        self.by_beam(&logits)
    }

    /// Collects the attention to the answer in the last block.
    fn rows(&self, feeds: usize) -> Rows {
        let last = self.model.shape().blocks.saturating_sub(1);
        Rows::new(last, self.task.response, feeds)
    }

    fn feed(
        &mut self,
        streams: &mut [M::Stream],
        tokens: &[impl AsRef<[u32]>],
        probe: &mut dyn Probe,
        ask: Ask,
    ) -> Result<Vec<f32>, RuntimeError> {
        self.passes += 1;
        let both = streams.iter_mut().zip(tokens);
        let feed = |(stream, tokens)| {
            let tokens: &[u32] = AsRef::as_ref(tokens);
            Feed {
                stream,
                tokens,
                ask,
            }
        };
        self.model
            .forward(&mut both.map(feed).collect::<Vec<_>>(), probe)
    }

    fn by_beam(&self, logits: &[f32]) -> Result<Vec<Vec<f32>>, AnswerError> {
        let rows = logits.chunks_exact(self.model.shape().vocab);
        rows.map(|row| choosable(row).map(|()| row.to_vec()))
            .collect()
    }

    /// The most probable tokens of every beam, each read to see what it attends to, and charged.
    fn candidates(&mut self, logits: &[Vec<f32>]) -> Result<Vec<Vec<Candidate>>, RuntimeError> {
        let (task, settings) = (self.task, self.settings);
        let count = settings.num_attn_candidates;
        let tokens: Vec<Vec<(u32, f32)>> = logits.iter().map(|row| largest(row, count)).collect();
        let mut forks = Vec::with_capacity(logits.len() * count);
        for (stream, tokens) in self.streams.iter().zip(&tokens) {
            forks.extend(std::iter::repeat_n(stream, tokens.len()).cloned());
        }
        let all = tokens.iter().flatten();
        let fed: Vec<[u32; 1]> = all.map(|(token, _)| [*token]).collect();
        let mut rows = self.rows(fed.len());
        self.feed(&mut forks, &fed, &mut rows, Ask::Nothing)?;
        let mut rows = rows.of_feed.into_iter().flatten();
        let mut charged = |beam: &Beam, (token, logit): (u32, f32)| {
            let row = rows.next().unwrap_or_default();
            let penalty = Penalty::of(&beam.columns, &row, &task.span, task.response, settings);
            Candidate {
                token,
                logit,
                penalty,
            }
        };
        let beams = self.now.beams.iter().zip(tokens);
        Ok(beams
            .map(|(beam, tokens)| tokens.into_iter().map(|one| charged(beam, one)).collect())
            .collect())
    }

    /// Extends the beams by the best tokens of `rows` `[beams][vocab]`. `candidates` are where the
    /// rows come from, if they do.
    fn extend(&mut self, rows: &[Vec<f32>], candidates: &[Vec<Candidate>]) {
        let (length, wanted) = (self.length(), self.settings.num_beams);
        let beams = std::mem::take(&mut self.now.beams);
        let rows: Vec<Vec<f32>> = rows.iter().map(|row| log_softmax(row)).collect();
        let before: Vec<f32> = beams.iter().map(|beam| beam.log_probability).collect();
        let best = best(&rows, &before, wanted * (1 + self.task.ends.len()).max(2));
        let mut ended = self.now.ended.borrow_mut();
        let mut next: Vec<Extension> = Vec::with_capacity(wanted);
        for (rank, extension) in best.iter().enumerate() {
            if !self.task.ends.contains(&extension.token) {
                next.push(*extension);
            } else if rank < wanted {
                let answer = beams[extension.beam].answer.clone();
                ended.add(answer, true, extension.score, length);
            }
            if next.len() == wanted {
                break;
            }
        }
        if let Some(best) = best.first() {
            ended.compare(best.score, length + 1);
        }
        drop(ended);
        let extended = |to: &Extension| {
            let candidates = candidates.get(to.beam).map_or(&[][..], Vec::as_slice);
            extended(&beams[to.beam], to, candidates)
        };
        self.now.beams = next.iter().map(extended).collect();
        self.now.chosen = next.iter().map(|to| (to.beam, to.token)).collect();
        let streams = next.iter().map(|to| self.streams[to.beam].clone());
        self.streams = streams.collect();
    }

    /// The best answer; those that have not ended count, unless none of them could win.
    fn finish(self) -> Found {
        let length = self.length();
        let mut ended = self.now.ended.borrow().clone();
        if !ended.done() {
            for beam in self.now.beams {
                ended.add(beam.answer, false, beam.log_probability, length);
            }
        }
        Found {
            best: ended.best(),
            rollbacks: self.past.rollbacks,
            passes: self.passes,
        }
    }
}

/// A beam with one more token.
fn extended(beam: &Beam, by: &Extension, candidates: &[Candidate]) -> Beam {
    let candidate = candidates.iter().find(|other| other.token == by.token);
    let mut answer = beam.answer.clone();
    answer.push(Said {
        token: by.token,
        column: candidate.map(|candidate| candidate.penalty.log_strength),
    });
    Beam {
        answer,
        log_probability: by.score,
        columns: beam.columns.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::beam::bigram::Bigram;

    #[test]
    fn opera_is_given_up_when_it_is_told_to_or_cannot_choose() {
        let search = |score: f32, stopped: &dyn Fn() -> bool| {
            let task = Task {
                prompt: &[0],
                span: 0..0,
                response: 0,
                ends: &[],
                limit: 9,
                stopped,
            };
            let model = Bigram::new(vec![score; 9], Vec::new(), 3);
            search(&model, &task, &Opera::default())
        };
        let steps = std::cell::Cell::new(0);
        let after_two = || {
            steps.set(steps.get() + 1);
            steps.get() > 2
        };
        let found = search(0.0, &after_two);
        assert!(matches!(found, Err(AnswerError::Stopped)));
        assert_eq!(steps.get(), 3);
        let found = search(f32::NAN, &|| false);
        assert!(matches!(found, Err(AnswerError::NotANumber(0))));
    }
}
