//! Chat templates: a conversation as the text a model was trained on, by the Jinja template that its
//! folder carries.

use std::path::{Path, PathBuf};

use minijinja::{Environment, Error, ErrorKind, context};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

/// Why a chat template could not be read or filled.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error("{}: the chat template cannot be filled: {problem}", path.display())]
    Fill { path: PathBuf, problem: String },
}

/// A model's template with the special tokens it may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    bos_token: String,
    eos_token: String,
    origin: PathBuf,
}

const NAME: &str = "chat_template";

impl ChatTemplate {
    /// From Jinja source; `bos_token` and `eos_token` are what the template's variables of these
    /// names stand for. `origin` is where the source was found, for complaints: whether it is a
    /// template shows when it is filled, so that a model whose template is not understood still loads.
    pub fn new(source: &str, bos_token: &str, eos_token: &str, origin: &Path) -> Self {
        Self {
            source: source.to_owned(),
            bos_token: bos_token.to_owned(),
            eos_token: eos_token.to_owned(),
            origin: origin.to_owned(),
        }
    }

    /// The template of a model folder: `chat_template.jinja`, or the key `chat_template` of
    /// `tokenizer_config.json`. `None` if it has neither.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, ChatError> {
        let path = folder.join("tokenizer_config.json");
        let config: Value = match read(&path)? {
            Some(text) => serde_json::from_str(&text).map_err(|error| ChatError::File {
                path: path.clone(),
                problem: format!("is not JSON ({error}); copy it again"),
            })?,
            None => Value::Null,
        };
        let own = folder.join("chat_template.jinja");
        let (path, source) = match read(&own)? {
            Some(source) => (own, source),
            None => match config.get(NAME).and_then(in_config) {
                Some(source) => (path, source.to_owned()),
                None => return Ok(None),
            },
        };
        let token = |key: &str| {
            let token = config.get(key).cloned().unwrap_or_default();
            let text = token.as_str().or_else(|| token.get("content")?.as_str());
            text.unwrap_or_default().to_owned()
        };
        let (start, end) = (token("bos_token"), token("eos_token"));
        Ok(Some(Self::new(&source, &start, &end, &path)))
    }

    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tokens that the template may name: `bos_token` and `eos_token`, empty where there is none.
    pub fn tokens(&self) -> [&str; 2] {
        [&self.bos_token, &self.eos_token]
    }

    /// The conversation as text. With `answer` it ends where the assistant's answer begins.
    pub fn fill(&self, messages: &[Message], answer: bool) -> Result<String, ChatError> {
        let filled = self.environment().and_then(|environment| {
            environment.get_template(NAME)?.render(context! {
                messages,
                add_generation_prompt => answer,
                bos_token => self.bos_token,
                eos_token => self.eos_token,
                tools => (),
                documents => (),
            })
        });
        filled.map_err(|error| ChatError::Fill {
            path: self.origin.clone(),
            problem: error
                .detail()
                .map_or_else(|| error.to_string(), str::to_owned),
        })
    }

    /// Jinja as transformers sets it up: blocks leave no line of their own, Python's string methods
    /// are known, and a template may refuse a conversation.
    fn environment(&self) -> Result<Environment<'_>, Error> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        // A template runs for one conversation: a loop without end is a mistake.
        environment.set_fuel(Some(1_000_000));
        environment.add_template(NAME, &self.source)?;
        Ok(environment)
    }
}

/// A single template, or of several named ones the `default`.
fn in_config(written: &Value) -> Option<&str> {
    let default = |entry: &&Value| entry["name"] == "default";
    written
        .as_str()
        .or_else(|| written.as_array()?.iter().find(default)?["template"].as_str())
}

/// A file's text, or nothing if it is not there.
fn read(path: &Path) -> Result<Option<String>, ChatError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ChatError::File {
            path: path.to_owned(),
            problem: format!("cannot be read ({error}); copy it again"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "{% for message in messages %}\n    {% if loop.first and message.role != 'system' %}\n<s>system\nBe brief.</s>\n    {% endif %}\n<s>{{ message['role'] }}\n{{ message['content'].strip() }}{{ eos_token }}\n{% endfor %}\n{% if add_generation_prompt %}\n<s>assistant\n{% endif %}";

    fn say(role: &str, content: &str) -> Message {
        Message {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }

    #[test]
    fn blocks_leave_no_lines_and_python_methods_work() {
        let template = ChatTemplate::new(SMALL, "", "</s>", Path::new("here"));
        let text = template.fill(&[say("user", "  Hello \n")], true).unwrap();
        assert_eq!(
            text,
            "<s>system\nBe brief.</s>\n<s>user\nHello</s>\n<s>assistant\n"
        );
    }

    #[test]
    fn a_template_may_refuse_and_says_why() {
        let source = "{{ raise_exception('roles must alternate') }}";
        let template = ChatTemplate::new(source, "", "", Path::new("here"));
        let error = template.fill(&[], false).unwrap_err().to_string();
        assert!(error.contains("roles must alternate"), "{error}");
    }

    #[test]
    fn a_loop_without_end_is_an_error() {
        let source =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(
            ChatTemplate::new(source, "", "", Path::new("here"))
                .fill(&[], false)
                .is_err()
        );
    }

    #[test]
    fn it_is_found_in_a_folder_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ChatTemplate::of_folder(folder.path()).unwrap(), None);
        let config = serde_json::json!({
            "chat_template": [{ "name": "tool", "template": "no" }, { "name": "default", "template": "{{ eos_token }}" }],
            "eos_token": { "content": "<end>" },
        });
        let path = folder.path().join("tokenizer_config.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let found = ChatTemplate::of_folder(folder.path()).unwrap().unwrap();
        assert_eq!(found.fill(&[], false).unwrap(), "<end>");
        std::fs::write(folder.path().join("chat_template.jinja"), "{% for").unwrap();
        let damaged = ChatTemplate::of_folder(folder.path()).unwrap().unwrap();
        let error = damaged.fill(&[], false).unwrap_err();
        assert!(error.to_string().contains("chat_template.jinja"), "{error}");
    }
}
