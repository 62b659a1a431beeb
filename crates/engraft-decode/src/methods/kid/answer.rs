//! Answers with a cache that is changed before every token.

use engraft_runtime::{Ask, Blind, CacheGradient, CausalLm, Feed, RuntimeError, Stream};

use super::{Infusion, fusion, policy::Policy};
use crate::{
    AnswerError, Chosen, Given, Go, Limits, Prompt, Source, Told,
    answer::{best, choosable, drawn},
    logits::argmax,
};

/// A text on its way.
struct Writing<'a, M: CausalLm> {
    infusion: &'a Infusion,
    model: &'a M,
    prompt: &'a Prompt<'a>,
    past: M::Stream,
    tokens: Vec<u32>,
}

/// How the next token is distributed.
struct Next {
    /// `[vocab]`, to draw from or take the largest of.
    log_probabilities: Vec<f32>,
    /// What the model would have said first.
    own: u32,
    /// Probability of the wanted tokens before and after the cache was changed.
    wanted_before: f32,
    wanted_after: f32,
}

impl Next {
    /// What there is to say of the token that was chosen.
    fn told(&self, token: u32) -> Told {
        Told {
            source: Some(match token == self.own {
                true => Source::Model,
                false => Source::Knowledge,
            }),
            numbers: vec![
                ("wanted before", self.wanted_before.into()),
                ("wanted after", self.wanted_after.into()),
            ],
            ..Told::default()
        }
    }
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
            let log_probabilities = &next.log_probabilities;
            let token = match self.settings.greedy {
                true => argmax(log_probabilities),
                false => drawn(log_probabilities, (limits.uniform)()),
            } as u32;
            if limits.ends.contains(&token) {
                break;
            }
            let chosen = Chosen {
                token,
                log_probability: log_probabilities[token as usize],
                alternatives: best(log_probabilities, limits.alternatives),
                told: next.told(token),
            };
            if tell(chosen) == Go::Stop {
                break;
            }
            writing.tokens.push(token);
        }
        Ok(())
    }

    /// What it says of every token of a given answer.
    ///
    /// # Errors
    /// As [`Infusion::answer`].
    pub fn score<M: CausalLm + CacheGradient<Past = <M as CausalLm>::Stream>>(
        &self,
        model: &M,
        prompt: &Prompt<'_>,
        given: &[u32],
    ) -> Result<Vec<Given>, AnswerError> {
        let mut writing = Writing::new(self, model, prompt)?;
        given
            .iter()
            .map(|&token| {
                let found = Given::of(token, &writing.next()?.log_probabilities);
                writing.tokens.push(token);
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
        match prompt.full.is_empty() {
            true => Err(AnswerError::NoPrompt),
            false => Ok(Self {
                infusion,
                model,
                prompt,
                past: model.stream(),
                tokens: prompt.full.to_vec(),
            }),
        }
    }

    /// Reads the text as far as it was not read yet.
    fn next(&mut self) -> Result<Next, AnswerError> {
        let settings = &self.infusion.settings;
        let wanted = self.infusion.wanted(&self.tokens, self.prompt.text);
        let feed = Feed {
            tokens: &self.tokens[self.past.len()..],
            stream: &mut self.past,
            ask: Ask::Last,
        };
        let own = self.model.forward(&mut [feed], &mut Blind)?;
        choosable(&own)?;
        let policy = Policy::new(&own, &wanted, settings);
        let changed = match settings.kid_steps {
            0 => own.clone(),
            _ => self.changed(&policy)?,
        };
        let fused = fusion::fuse(&own, &changed, &self.tokens, settings);
        let log_probabilities: Vec<f32> = fused.into_iter().map(f32::ln).collect();
        choosable(&log_probabilities)?;
        Ok(Next {
            log_probabilities,
            own: argmax(&own) as u32,
            wanted_before: policy.loss(&own).mass,
            wanted_after: policy.loss(&changed).mass,
        })
    }

    /// Logits after the last token, read again with a changed cache.
    fn changed(&self, policy: &Policy<'_>) -> Result<Vec<f32>, RuntimeError> {
        let (model, last) = (self.model, self.tokens.len() - 1);
        let mut past = self.past.clone();
        past.truncate(last);
        let sizes = model.sizes(&past).into_iter();
        let still = sizes.map(|size| vec![0.0; size]).collect();
        let shift = policy.shift(model, &past, still, self.tokens[last])?;
        model.logits(&past, &shift, self.tokens[last])
    }
}
