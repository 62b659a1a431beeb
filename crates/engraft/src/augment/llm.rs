//! Dialogues and paraphrases written by any OpenAI-compatible server.

use std::{thread, time::Duration};

use engraft_train::data::{Fact, Turn};
use serde::Deserialize;
use serde_json::{Value, json};

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

/// How often one fact is tried, and what is waited before the second time; it doubles.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_millis(500);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The most bytes of an answer that are read.
const LONGEST: u64 = 4 << 20;

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

/// Why a try failed, and whether another may help.
struct Failure {
    problem: String,
    passing: bool,
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
        let mut wait = WAIT;
        let mut problem = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                thread::sleep(wait);
                wait *= 2;
            }
            match self.ask(&fact) {
                Ok(written) => return Ok(self.add(fact, written)),
                Err(failure) => {
                    problem = failure.problem;
                    if !failure.passing {
                        break;
                    }
                }
            }
        }
        anyhow::bail!("{}: {problem}", self.url)
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

    fn ask(&self, fact: &Fact) -> Result<Written, Failure> {
        let task = format!(
            "Statement: {}\nAnswer words: {}\nDialogue turns: {}\nParaphrases: 3\nHeld-out \
             sentences: 2",
            fact.fact, fact.answer, self.turns
        );
        let body = json!({
            "model": self.model,
            "messages": [
                { "role": "system", "content": TASK },
                { "role": "user", "content": task },
            ],
            "temperature": 0.7,
            "stream": false,
        });
        let reply = self.post(&body)?;
        let content = reply["choices"][0]["message"]["content"].as_str();
        let content = content.ok_or_else(|| Failure {
            problem: "answered without `choices[0].message.content`; is this an OpenAI-compatible \
                      chat server?"
                .to_owned(),
            passing: false,
        })?;
        parse(content).ok_or_else(|| Failure {
            problem: format!(
                "{} did not write the JSON object it was asked for; try another model",
                self.model
            ),
            passing: true,
        })
    }

    fn post(&self, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/chat/completions", self.url.trim_end_matches('/'));
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut request = agent.post(&url);
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut reply = request.send_json(body).map_err(|error| Failure {
            problem: format!("cannot be reached ({error}); check the address and the server"),
            passing: true,
        })?;
        let status = reply.status().as_u16();
        let body = reply.body_mut().with_config().limit(LONGEST);
        let text = body.read_to_string().map_err(|error| Failure {
            problem: format!("broke off its answer ({error})"),
            passing: true,
        })?;
        if status != 200 {
            let said: String = text.chars().take(200).collect();
            return Err(Failure {
                problem: format!("answered {status}: {}", said.trim()),
                passing: status == 429 || status >= 500,
            });
        }
        serde_json::from_str(&text).map_err(|error| Failure {
            problem: format!("answered something that is not JSON ({error})"),
            passing: false,
        })
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
