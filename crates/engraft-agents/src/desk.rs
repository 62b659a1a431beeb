//! What an agent works with on one issue: the models, the executor, a work copy, the account, the record.

use crate::{
    chat::{
        Request,
        meter::{Meter, Metered},
    },
    compose::{ComposeError, Prompt, Slots, compose},
    execute::{ExecuteError, Executor},
    record::{Record, RecordError},
    task::Task,
    workcopy::{WorkCopy, WorkCopyError},
};

/// Which of the two models is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Writes tests and patches.
    Main,
    /// Judges, reviews, advises.
    Second,
}

/// One issue's work place.
pub struct Desk<'a> {
    pub task: &'a Task,
    pub main: Metered<'a>,
    pub second: Metered<'a>,
    /// Most tokens of one answer.
    pub max_tokens: u64,
    pub meter: &'a Meter,
    pub executor: &'a dyn Executor,
    pub copy: WorkCopy,
    /// The interpreter that runs scripts.
    pub python: &'a str,
    pub record: &'a Record,
}

/// Why work on an issue ended early.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Chat(#[from] crate::chat::ChatError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    WorkCopy(#[from] WorkCopyError),
    #[error(transparent)]
    Memory(#[from] engraft_memory::MemoryError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl DeskError {
    /// Whether a budget ended it: then what was found so far counts.
    pub fn is_budget(&self) -> bool {
        matches!(self, Self::Chat(crate::chat::ChatError::Budget(_)))
    }

    /// Whether it is the run that was told to stop.
    pub fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Chat(crate::chat::ChatError::Stopped) | Self::Execute(ExecuteError::Stopped)
        )
    }
}

impl Desk<'_> {
    /// Slots that every prompt has.
    pub fn slots(&self) -> Slots {
        Slots::default()
            .text("repository", &self.task.repository)
            .text("issue", &self.task.issue)
    }

    /// Fills a prompt and asks; the conversation and what was left out of it are recorded.
    ///
    /// # Errors
    /// If the model does not answer or the budget is spent.
    pub fn ask(
        &self,
        stage: &str,
        who: Who,
        prompt: &str,
        slots: Slots,
        temperature: f64,
    ) -> Result<String, DeskError> {
        let Prompt { messages, omitted } = compose(prompt, slots)?;
        let model = match who {
            Who::Main => &self.main,
            Who::Second => &self.second,
        };
        let request = Request {
            messages,
            temperature,
            max_tokens: self.max_tokens,
        };
        let answer = self.meter.ask(stage, model, &request)?;
        self.record
            .conversation(stage, prompt, &request.messages, &omitted, &answer)?;
        Ok(answer.text)
    }

    /// Asks up to `tries` times until the answer can be read; `None` if it never could. From the second
    /// time on, the temperature is at least 0.8, so that a model that writes the same again has a
    /// chance to write something else.
    ///
    /// # Errors
    /// Those of [`Desk::ask`].
    pub fn ask_until<T>(
        &self,
        stage: &str,
        who: Who,
        prompt: &str,
        slots: &Slots,
        (temperature, tries): (f64, usize),
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DeskError> {
        for attempt in 0..tries {
            let temperature = if attempt == 0 {
                temperature
            } else {
                temperature.max(0.8)
            };
            let answer = self.ask(stage, who, prompt, slots.clone(), temperature)?;
            if let Some(found) = read(&answer) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
