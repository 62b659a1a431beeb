//! Answers with a cache that is changed before every token.

use engraft_runtime::{Ask, Blind, CacheGradient, CausalLm, Feed, RuntimeError, Stream};

use super::{Infusion, Next};
use crate::{
    AnswerError, Chosen, Go, Limits, Prompt,
    answer::{best, drawn},
    logits::argmax,
};

/// A text on its way; the cache holds all of it but the last token.
struct Writing<'a, M: CausalLm> {
    infusion: &'a Infusion,
    model: &'a M,
    prompt: &'a Prompt<'a>,
    past: M::Stream,
    tokens: Vec<u32>,
}

impl Infusion {
    /// Decodes an answer, telling every token as it comes.
    ///
    /// # Errors
    /// A prompt that is too long for the model.
    pub fn answer<M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>>(
        &self,
        model: &M,
        prompt: &Prompt<'_>,
        limits: &mut Limits<'_>,
        tell: &mut dyn FnMut(Chosen) -> Go,
    ) -> Result<(), AnswerError> {
        let mut writing = Writing::new(self, model, prompt)?;
        for _ in 0..limits.tokens {
            let next = writing.next()?;
            let log_probabilities: Vec<f32> = next.probabilities.iter().map(|p| p.ln()).collect();
            let token = match self.settings.greedy {
                true => argmax(&log_probabilities),
                false => drawn(&log_probabilities, (limits.uniform)()),
            } as u32;
            if limits.ends.contains(&token) {
                break;
            }
            let chosen = Chosen {
                token,
                log_probability: log_probabilities[token as usize],
                alternatives: best(&log_probabilities, limits.alternatives),
                told: next.told(token),
            };
            if tell(chosen) == Go::Stop {
                break;
            }
            writing.push(token)?;
        }
        Ok(())
    }

    /// The log-probability of every token of a given answer.
    ///
    /// # Errors
    /// As [`Infusion::answer`].
    pub fn score<M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>>(
        &self,
        model: &M,
        prompt: &Prompt<'_>,
        given: &[u32],
    ) -> Result<Vec<f32>, AnswerError> {
        let mut writing = Writing::new(self, model, prompt)?;
        given
            .iter()
            .map(|&token| {
                let found = writing.next()?.probabilities[token as usize].ln();
                writing.push(token)?;
                Ok(found)
            })
            .collect()
    }
}

impl<'a, M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>> Writing<'a, M> {
    fn new(
        infusion: &'a Infusion,
        model: &'a M,
        prompt: &'a Prompt<'a>,
    ) -> Result<Self, AnswerError> {
        let mut past = model.stream();
        let (_, before) = prompt.full.split_last().ok_or(AnswerError::NoPrompt)?;
        feed(model, &mut past, before)?;
        Ok(Self {
            infusion,
            model,
            prompt,
            past,
            tokens: prompt.full.to_vec(),
        })
    }

    fn next(&self) -> Result<Next, RuntimeError> {
        let wanted = self.infusion.wanted(&self.tokens, self.prompt.text);
        let (past, tokens) = (&self.past, &self.tokens);
        self.infusion.next(self.model, past, tokens, &wanted)
    }

    fn push(&mut self, token: u32) -> Result<(), RuntimeError> {
        let last = &self.tokens[self.past.len()..];
        feed(self.model, &mut self.past, last)?;
        self.tokens.push(token);
        Ok(())
    }
}

fn feed<M: CausalLm>(
    model: &M,
    past: &mut <M as CausalLm>::Stream,
    tokens: &[u32],
) -> Result<(), RuntimeError> {
    let feed = Feed {
        stream: past,
        tokens,
        ask: Ask::Nothing,
    };
    model.forward(&mut [feed], &mut Blind).map(drop)
}
