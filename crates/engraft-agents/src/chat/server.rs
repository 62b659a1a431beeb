//! Any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, ollama, a hosted one.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Answer, ChatError, ChatModel, Message, Request, Usage, tokens_about};

/// A server and the model to ask there.
#[derive(Clone, Debug)]
pub struct Server {
    /// Up to and without `/chat/completions`: `http://127.0.0.1:8080/v1`.
    pub url: String,
    pub model: String,
    /// Sent as a bearer token.
    pub key: Option<String>,
    pub patience: Patience,
    /// Set to stop waiting for another try.
    pub stop: Arc<AtomicBool>,
}

/// How long and how often one request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often one request is sent at most.
    pub tries: u32,
    /// What is waited before the second try; it doubles up to [`Patience::longest_wait`]. A server that
    /// says how long to wait (`Retry-After`) is believed up to the same bound.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// How long one answer may take.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(120),
            answer: Duration::from_secs(600),
        }
    }
}

/// The most bytes of an answer that are read.
const LONGEST: u64 = 16 << 20;

/// Why a try failed, and whether another may help.
struct Failure {
    problem: String,
    passing: bool,
    /// The server does not want this request; another may be answered.
    refused: bool,
    /// What the server asked to wait.
    wait: Option<Duration>,
}

impl Failure {
    fn passing(problem: String) -> Self {
        Self {
            problem,
            passing: true,
            refused: false,
            wait: None,
        }
    }

    fn lasting(problem: String) -> Self {
        Self {
            problem,
            passing: false,
            refused: false,
            wait: None,
        }
    }
}

impl ChatModel for Server {
    fn name(&self) -> &str {
        &self.model
    }

    fn ask(&self, request: &Request) -> Result<Answer, ChatError> {
        let mut wait = self.patience.first_wait;
        let mut problem = String::new();
        for attempt in 0..self.patience.tries.max(1) {
            if attempt > 0 {
                self.wait(wait)?;
                wait = (wait * 2).min(self.patience.longest_wait);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(ChatError::Stopped);
            }
            match self.once(request) {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    problem = failure.problem;
                    if failure.refused {
                        return Err(ChatError::Refused(format!("{}: {problem}", self.url)));
                    }
                    if !failure.passing {
                        break;
                    }
                    if let Some(asked) = failure.wait {
                        wait = asked.min(self.patience.longest_wait);
                    }
                }
            }
        }
        Err(ChatError::Failed(format!("{}: {problem}", self.url)))
    }
}

impl Server {
    /// Waits, unless the run is stopped meanwhile.
    fn wait(&self, wait: Duration) -> Result<(), ChatError> {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            if self.stop.load(Ordering::Relaxed) {
                return Err(ChatError::Stopped);
            }
            let left = end.saturating_duration_since(Instant::now());
            thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    fn once(&self, request: &Request) -> Result<Answer, Failure> {
        let body = json!({
            "model": self.model,
            "messages": request.messages,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "stream": false,
        });
        let reply = self.post(&body)?;
        let said = &reply["choices"][0]["message"]["content"];
        // A model that only thinks, or calls a tool, has no text: that is an empty answer.
        let Some(text) = said.as_str().or(said.is_null().then_some("")) else {
            return Err(shapeless());
        };
        if reply["choices"].as_array().is_none_or(Vec::is_empty) {
            return Err(shapeless());
        }
        Ok(Answer {
            usage: usage(&reply["usage"], &request.messages, text),
            text: text.to_owned(),
        })
    }

    fn post(&self, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/chat/completions", self.url.trim_end_matches('/'));
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(self.patience.answer))
            .http_status_as_error(false)
            // Prompts and keys go where the user said and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .new_agent();
        let mut request = agent.post(&url);
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let reply = request.send_json(body).map_err(|error| {
            self.broken(
                "cannot be reached",
                "check the address and the server",
                error,
            )
        })?;
        if reply.status() != 200 {
            return Err(refusal(reply));
        }
        let body = reply.into_body().into_with_config().limit(LONGEST);
        let text = body.read_to_string().map_err(|error| {
            self.broken("broke off its answer", "look at the server's log", error)
        })?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::passing(format!(
                "answered something that is not JSON ({error}); is this an OpenAI-compatible chat server?"
            ))
        })
    }

    fn broken(&self, problem: &str, advice: &str, error: ureq::Error) -> Failure {
        match error {
            ureq::Error::Timeout(_) => Failure::passing(format!(
                "did not answer within {} seconds ({error}); look at how busy the server is",
                self.patience.answer.as_secs_f64()
            )),
            ureq::Error::BodyExceedsLimit(most) => Failure::lasting(format!(
                "answered more than {} MiB; is this a chat server, and does it keep to `max_tokens`?",
                most >> 20
            )),
            error => Failure::passing(format!(
                "{problem} ({}); {advice}",
                line(&error.to_string())
            )),
        }
    }
}

/// What a status other than 200 means, and what to do about it.
fn refusal(mut reply: ureq::http::Response<ureq::Body>) -> Failure {
    let status = reply.status().as_u16();
    let header = |name: &str| reply.headers().get(name)?.to_str().ok();
    let wait = header("retry-after").and_then(|wait| wait.trim().parse().ok());
    let advice = match status {
        300..=399 => match header("location") {
            Some(place) => format!(
                "check whether it moved to {} and give that address",
                line(place)
            ),
            None => "check the address".to_owned(),
        },
        401 | 403 => "check the key".to_owned(),
        404 => "check the address and the name of the model".to_owned(),
        408 | 429 => "it is asked too much; try again later".to_owned(),
        500.. => "look at the server's log and try again".to_owned(),
        413 => {
            "it is too long for the server; lower --max-tokens or choose another model".to_owned()
        }
        _ => "see what it says of the request".to_owned(),
    };
    let mut said = Vec::new();
    // The beginning is enough, and where it breaks off the status still counts.
    let _ = reply
        .body_mut()
        .as_reader()
        .take(4096)
        .read_to_end(&mut said);
    let said = line(&String::from_utf8_lossy(&said));
    Failure {
        problem: format!("answered {status} ({said}); {advice}"),
        passing: status == 408 || status == 429 || status >= 500,
        refused: matches!(status, 400 | 413 | 422),
        wait: wait.map(Duration::from_secs),
    }
}

/// As part of a sentence: one line of at most 200 characters.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn shapeless() -> Failure {
    Failure::lasting(
        "answered without `choices[0].message.content`; is this an OpenAI-compatible chat server?"
            .to_owned(),
    )
}

/// What the server counted, or an estimate.
fn usage(counted: &Value, messages: &[Message], text: &str) -> Usage {
    let count = |key: &str| counted[key].as_u64();
    match count("prompt_tokens").zip(count("completion_tokens")) {
        Some((prompt_tokens, completion_tokens)) => Usage {
            prompt_tokens,
            completion_tokens,
            estimated: false,
        },
        None => Usage {
            prompt_tokens: messages.iter().map(|m| tokens_about(&m.content)).sum(),
            completion_tokens: tokens_about(text),
            estimated: true,
        },
    }
}
