//! What a search is asked, and what it answers.

use std::ops::Range;

use super::hypotheses::{Hypothesis, Said};
use crate::Told;

/// Why nothing could be searched for.
#[derive(Debug, thiserror::Error)]
pub enum OperaError {
    #[error("the prompt is empty; write a question")]
    NoPrompt,
    #[error("the trusted span {span:?} is not inside the prompt of {prompt} tokens")]
    Span { span: Range<usize>, prompt: usize },
    #[error("the answer cannot begin at {response}, after the prompt of {prompt} tokens")]
    Response { response: usize, prompt: usize },
}

/// What is searched for.
pub struct Task<'a> {
    pub prompt: &'a [u32],
    /// Tokens of the prompt that an answer should look at: an image or documents.
    pub span: Range<usize>,
    /// Where the answer begins: the length of the prompt, or less if a part of the prompt is to count
    /// as answered already.
    pub response: usize,
    /// Tokens that end an answer; they are not part of it.
    pub ends: &'a [u32],
    /// Most tokens of the answer.
    pub limit: usize,
    /// Whether the search is to be given up, asked before every step.
    pub stopped: &'a dyn Fn() -> bool,
}

/// That the search went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// Tokens of the answer when it did, the coming one counted.
    pub from: usize,
    /// The place in the answer that was chosen again.
    pub to: usize,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub best: Hypothesis,
    pub rollbacks: Vec<Rollback>,
    /// Passes through the model.
    pub passes: usize,
}

impl Found {
    /// The tokens of the best answer, each with the strength of the column that was strongest then, and
    /// with a note where the search went back to.
    pub fn told(self) -> Vec<(u32, Told)> {
        let tokens = self.best.answer.iter().enumerate();
        let told = |(at, said): (usize, &Said)| {
            let column = said.column.map(|column| ("column, log", column));
            let back = self.rollbacks.iter().filter(|back| back.to == at).count();
            let told = Told {
                numbers: column.into_iter().collect(),
                note: (back > 0).then(|| format!("chosen again, {back} times")),
                ..Told::default()
            };
            (said.token, told)
        };
        tokens.map(told).collect()
    }
}

impl Task<'_> {
    /// Whether there is something to search for; what is wrong if not.
    pub fn check(&self) -> Result<(), OperaError> {
        let prompt = self.prompt.len();
        if prompt == 0 {
            return Err(OperaError::NoPrompt);
        }
        if self.span.start > self.span.end || self.span.end > prompt {
            let span = self.span.clone();
            return Err(OperaError::Span { span, prompt });
        }
        if self.response > prompt {
            let response = self.response;
            return Err(OperaError::Response { response, prompt });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opera_tasks_that_make_no_sense_say_what_is_wrong() {
        let task = |prompt, span, response| Task {
            prompt,
            span,
            response,
            ends: &[],
            limit: 5,
            stopped: &|| false,
        };
        let said = |task: Task<'_>| task.check().unwrap_err().to_string();
        assert!(said(task(&[], 0..0, 0)).contains("empty"));
        assert!(said(task(&[1, 2], 1..3, 2)).contains("1..3"));
        assert!(said(task(&[1, 2], 0..1, 3)).contains("begin at 3"));
        assert!(task(&[1, 2], 2..2, 2).check().is_ok());
    }
}
