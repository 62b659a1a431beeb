//! Chat models: a conversation in, an answer and its cost in tokens out.

pub mod meter;
pub mod server;

pub use engraft_files::chat::Message;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub messages: Vec<Message>,
    /// 0 takes the likeliest token.
    pub temperature: f64,
    /// Most tokens of the answer.
    pub max_tokens: u64,
}

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub text: String,
    pub usage: Usage,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// The server did not say; these are estimates from the lengths of the texts.
    pub estimated: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// Nothing that asking again could mend, or asking again did not.
    #[error("{0}")]
    Failed(String),
    /// This request cannot be answered, because it is too long for example; others may be.
    #[error("{0}")]
    Refused(String),
    /// The run's budget is spent; nothing was sent.
    #[error("{0}")]
    Budget(String),
    /// The user stopped the run.
    #[error("stopped")]
    Stopped,
}

/// A turn of a conversation.
pub fn says(role: &str, content: impl Into<String>) -> Message {
    Message {
        role: role.to_owned(),
        content: content.into(),
    }
}

/// About how many tokens a text has: a quarter of its characters, rounded up. Budgets of prompts and the
/// accounts of servers that do not count use it.
pub fn tokens_about(text: &str) -> u64 {
    text.chars().count().div_ceil(4) as u64
}

/// Anything that answers: a server, the local runtime, a script.
pub trait ChatModel: Send + Sync {
    /// As it is written into accounts.
    fn name(&self) -> &str;

    /// # Errors
    /// If there is no answer after all retries.
    fn ask(&self, request: &Request) -> Result<Answer, ChatError>;
}
