//! A model of this machine as a chat model.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Context;
use engraft_agents::{Answer, ChatError, ChatModel, Request, Usage};
use engraft_decode::{Go, Pasts};
use engraft_runtime::Sequence;

use crate::decoding::{Answered, Asked, Bounds, Computes, Decoder, ModelFlags, known};

/// The runtime with a model of the machine; one request at a time.
pub struct Local {
    name: String,
    decoder: Decoder,
    /// What earlier requests have left in memory: a prompt that begins like the last one is read faster.
    pasts: Mutex<Pasts<Sequence>>,
    stop: Arc<AtomicBool>,
}

impl Local {
    /// # Errors
    /// A model that is not there, is damaged or has no chat template.
    pub fn load(name: &str, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let decoder = Decoder::load(&ModelFlags {
            model: name.into(),
            precision: Computes::Int8,
            threads: None,
        })
        .context("--model: without --llm it is a model of this machine")?;
        anyhow::ensure!(
            decoder.tokenizer.chat().is_some(),
            "{}: has no chat template, so it cannot hold a conversation; choose another --model",
            decoder.path.display()
        );
        Ok(Self {
            name: name.to_owned(),
            decoder,
            pasts: Mutex::default(),
            stop,
        })
    }

    fn answer(&self, request: &Request) -> anyhow::Result<Answer> {
        let asked = Asked::conversation(&self.decoder.tokenizer, &request.messages)?;
        let (method, settings) = match request.temperature > 0.0 {
            true => (
                "sample",
                serde_json::json!({ "temperature": request.temperature }),
            ),
            false => ("greedy", serde_json::json!({})),
        };
        let entry = known(method)?;
        let settings = entry.normalise(&settings).map_err(anyhow::Error::msg)?;
        let mut way = self.decoder.way(&entry, &settings)?;
        let bounds = Bounds {
            tokens: usize::try_from(request.max_tokens).unwrap_or(usize::MAX),
            alternatives: 0,
            seed: 0,
        };
        let mut answered = Answered::new(&self.decoder.tokenizer, &[]);
        let mut pasts = self.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self
            .decoder
            .answer(&asked, &mut way, &mut pasts, &bounds, &mut |chosen| {
                let (_, go) = answered.push(chosen.token);
                match self.stop.load(Ordering::Relaxed) {
                    true => Go::Stop,
                    false => go,
                }
            });
        answered.rest();
        ended?;
        Ok(Answer {
            usage: Usage {
                prompt_tokens: asked.tokens().len() as u64,
                completion_tokens: answered.tokens().len() as u64,
                estimated: false,
            },
            text: answered.whole(),
        })
    }
}

impl ChatModel for Local {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, request: &Request) -> Result<Answer, ChatError> {
        let answer = self.answer(request);
        if self.stop.load(Ordering::Relaxed) {
            return Err(ChatError::Stopped);
        }
        answer.map_err(|error| ChatError::Refused(format!("{}: {error:#}", self.name)))
    }
}
