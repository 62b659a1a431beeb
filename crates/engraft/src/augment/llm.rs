//! Dialogues and paraphrases written by any OpenAI-compatible server.

use std::{sync::Arc, time::Duration};

use engraft_agents::{
    ChatError, ChatModel, Request,
    chat::{
        says,
        server::{Patience, Server},
    },
};
use engraft_train::data::{Fact, Turn};
use serde::Deserialize;
use serde_json::json;

/// A server and the model to ask there.
pub struct Llm {
    /// Up to and without `/chat/completions`.
    pub url: String,
    pub model: String,
    /// Sent as a bearer token.
    pub key: Option<String>,
    /// Dialogue turns to ask for.
    pub turns: usize,
}

/// How often a model is asked for one fact until it writes what it was asked for.
const TRIES: u32 = 4;
/// What is waited before a request that failed is sent again; it doubles.
const WAIT: Duration = Duration::from_millis(500);
/// Most tokens of an answer.
const MOST_TOKENS: u64 = 4096;

/// What is asked of the model.
const TASK: &str = "You write training material. Reply with one JSON object and nothing else: \
    {\"dialogues\": [{\"question\": ..., \"answer\": ...}], \"paraphrases\": [...], \"held_out\": \
    [...]}. Questions are what a person would ask about the statement, answers are complete \
    sentences and true by the statement alone. Each paraphrase and each held-out sentence says the \
    same as the statement in other words and contains the answer words exactly as given, not at \
    its beginning.";

/// What it should have written; whatever else it adds is left alone.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    dialogues: Vec<Said>,
    #[serde(default)]
    paraphrases: Vec<String>,
    #[serde(default)]
    held_out: Vec<String>,
}

#[derive(Deserialize)]
struct Said {
    question: String,
    answer: String,
}

impl Llm {
    /// What an answer about a fact depends on.
    pub fn asked(&self, fact: &Fact) -> String {
        json!([fact, self.model, self.turns]).to_string()
    }

    /// The fact with what the model wrote; what does not hold the answer is left out.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses, or keeps writing something else.
    pub fn write(&self, fact: Fact) -> anyhow::Result<Fact> {
        for _ in 0..TRIES {
            if let Some(written) = parse(&self.ask(&fact)?) {
                return Ok(self.add(fact, written));
            }
        }
        anyhow::bail!(
            "{}: {} did not write the JSON object it was asked for; try another model",
            self.url,
            self.model
        )
    }

    /// Statements that do not hold the answer once are left out, and whatever would train on what is
    /// measured.
    fn add(&self, mut fact: Fact, written: Written) -> Fact {
        for said in written.dialogues {
            let mut added = fact.clone();
            added.dialogues.push(Turn {
                question: said.question,
                answer: said.answer,
            });
            keep_sound(&mut fact, added);
        }
        for text in written.paraphrases {
            let mut added = fact.clone();
            added.paraphrases.push(text);
            keep_sound(&mut fact, added);
        }
        for text in written.held_out {
            let mut added = fact.clone();
            added.held_out.push(text);
            keep_sound(&mut fact, added);
        }
        fact.written_by = Some(format!("{} and templates", self.model));
        fact
    }

    fn ask(&self, fact: &Fact) -> Result<String, ChatError> {
        let task = format!(
            "Statement: {}\nAnswer words: {}\nDialogue turns: {}\nParaphrases: 3\nHeld-out \
             sentences: 2",
            fact.fact, fact.answer, self.turns
        );
        let server = Server {
            url: self.url.clone(),
            model: self.model.clone(),
            key: self.key.clone(),
            patience: Patience {
                tries: TRIES,
                first_wait: WAIT,
                ..Patience::default()
            },
            stop: Arc::default(),
        };
        let answer = server.ask(&Request {
            messages: vec![says("system", TASK), says("user", task)],
            temperature: 0.7,
            max_tokens: MOST_TOKENS,
        })?;
        Ok(answer.text)
    }
}

/// Takes an addition that leaves the fact one that could be read from a file.
fn keep_sound(fact: &mut Fact, added: Fact) {
    if added.problem().is_none() {
        *fact = added;
    }
}

/// The object in a text, whatever stands around it.
fn parse(content: &str) -> Option<Written> {
    let (start, end) = (content.find('{')?, content.rfind('}')?);
    serde_json::from_str(content.get(start..=end)?).ok()
}
