//! A model that answers by the heading of its task, and keeps what it was asked.

use std::sync::{Mutex, PoisonError};

use engraft_agents::{Answer, ChatError, ChatModel, Request, Usage};

type Policy = dyn Fn(&Request) -> Result<String, ChatError> + Send + Sync;

pub struct Scripted {
    policy: Box<Policy>,
    asked: Mutex<Vec<Request>>,
}

impl Scripted {
    pub fn new(policy: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        Self::failing(move |request| Ok(policy(request)))
    }

    pub fn failing(
        policy: impl Fn(&Request) -> Result<String, ChatError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            policy: Box::new(policy),
            asked: Mutex::default(),
        }
    }

    /// Says the same whatever it is asked.
    pub fn always(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(move |_| text.clone())
    }

    /// Repairs [`crate::run::adder`].
    pub fn good() -> Self {
        Self::new(good)
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ChatModel for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn ask(&self, request: &Request) -> Result<Answer, ChatError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(request.clone());
        drop(asked);
        Ok(Answer {
            text: (self.policy)(request)?,
            usage: Usage::default(),
        })
    }
}

/// The heading of the last message.
pub fn task(request: &Request) -> &str {
    let last = request
        .messages
        .last()
        .map_or("", |message| &message.content);
    let heading = last.lines().find_map(|line| line.strip_prefix("# Task: "));
    heading.unwrap_or_default()
}

pub const SCRIPT: &str = "from calc import add\nprint('Test 1:')\nprint('Input: 1, 2')\n\
                          print('Output:', add(1, 2))\n";

/// What a model that can do it answers.
pub fn good(request: &Request) -> String {
    let location = "<location>\n<class></class>\n<method>add</method>\n<start_line>1</start_line>\n\
                    <end_line>2</end_line>\n</location>";
    match task(request) {
        "reproduce the issue" | "mend your script" | "test around the issue" => {
            format!("Reasoning.\n```python\n{SCRIPT}```\n")
        }
        "judge the script" => "<test_analysis>a</test_analysis><test_correct>YES</test_correct>\
             <test_advice>none</test_advice>"
            .to_owned(),
        "name the files" | "choose among the files" => "```\ncalc.py\n```\n".to_owned(),
        "find places in a file" => location.to_owned(),
        "choose the places" => format!("<file>\n<path>calc.py</path>\n{location}\n</file>"),
        "repair the issue" | "mend the patch" | "write the better patch" => edit("return a + b"),
        "review the patches" => {
            "<rank_patch>[0]</rank_patch><correct_patch>[0]</correct_patch>".to_owned()
        }
        "advise" => "<patch_analysis>a</patch_analysis><patch_advice>b</patch_advice>".to_owned(),
        "look for flaws" | "look for excess" => {
            "<analysis>a</analysis><advice>b</advice>".to_owned()
        }
        "choose the right outputs" => "<correct_group>[0]</correct_group>".to_owned(),
        "rank the patches" => "<rank_patch>[0]</rank_patch>".to_owned(),
        "learn from the attempts" => "ADD 1: Print the input of every test.".to_owned(),
        other => panic!("no answer for the task {other:?}"),
    }
}

/// An edit of `calc.py` that makes its last line this one.
pub fn edit(line: &str) -> String {
    format!(
        "```\n<file>calc.py</file>\n<original>\n    return a - b\n</original>\n<patched>\n    {line}\n</patched>\n```\n"
    )
}
