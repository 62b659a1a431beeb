//! What a run has spent, by stage, and the budget that ends it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Answer, ChatError, ChatModel, Request, Usage};

/// A model, what its tokens cost, and the account that it is written to.
pub struct Metered<'a> {
    pub model: &'a dyn ChatModel,
    pub price: Price,
}

/// US dollars a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    pub prompt: f64,
    pub completion: f64,
}

impl Price {
    /// `IN/OUT`, as `3/15`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.trim().parse::<f64>().ok();
            number.filter(|number| number.is_finite() && *number >= 0.0)
        };
        text.split_once('/')
            .and_then(|(prompt, completion)| {
                Some(Self {
                    prompt: number(prompt)?,
                    completion: number(completion)?,
                })
            })
            .ok_or_else(|| {
                format!(
                    "`{text}` is no price: write dollars a million prompt and answer tokens as 3/15"
                )
            })
    }

    fn of(self, usage: Usage) -> f64 {
        let million = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
        million(usage.prompt_tokens, self.prompt)
            + million(usage.completion_tokens, self.completion)
    }
}

/// Where a run ends by itself; what is `None` has no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// US dollars.
    pub cost: Option<f64>,
    /// Prompt and answer tokens together.
    pub tokens: Option<u64>,
    pub calls: Option<u64>,
    /// Wall time.
    pub seconds: Option<f64>,
}

/// What was spent on something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub calls: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// Some of the tokens are estimates: the server did not count.
    pub estimated: bool,
    /// Wall time in seconds.
    pub seconds: f64,
    /// US dollars.
    pub cost: f64,
    /// Items of memory that prompts showed.
    #[serde(default)]
    pub recalled: u64,
}

impl Spent {
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.estimated |= other.estimated;
        self.seconds += other.seconds;
        self.cost += other.cost;
        self.recalled += other.recalled;
    }
}

/// The account of one issue, or of a run of many: then each issue has its own below it.
#[derive(Debug)]
pub struct Meter {
    above: Option<Arc<Meter>>,
    budget: Budget,
    started: Instant,
    spent: Mutex<BTreeMap<String, Spent>>,
}

impl Meter {
    /// Starts with what earlier runs of the same work had spent already.
    pub fn new(budget: Budget, before: BTreeMap<String, Spent>) -> Self {
        Self {
            above: None,
            budget,
            started: Instant::now(),
            spent: Mutex::new(before),
        }
    }

    /// The account of a part of this one's work: what it spends counts here too, and it ends with either
    /// budget.
    pub fn part(self: &Arc<Self>, budget: Budget, before: BTreeMap<String, Spent>) -> Self {
        for (stage, spent) in &before {
            self.add(stage, *spent);
        }
        Self {
            above: Some(self.clone()),
            ..Self::new(budget, before)
        }
    }

    /// Asks a model and writes down what it took.
    ///
    /// # Errors
    /// If the budget is spent before the request is sent, or the model does not answer.
    pub fn ask(
        &self,
        stage: &str,
        model: &Metered<'_>,
        request: &Request,
    ) -> Result<Answer, ChatError> {
        self.within()?;
        let answer = model.model.ask(request)?;
        self.add(
            stage,
            Spent {
                calls: 1,
                prompt_tokens: answer.usage.prompt_tokens,
                completion_tokens: answer.usage.completion_tokens,
                estimated: answer.usage.estimated,
                cost: model.price.of(answer.usage),
                ..Spent::default()
            },
        );
        Ok(answer)
    }

    /// The time that a stage took.
    pub fn took(&self, stage: &str, time: Duration) {
        self.add(
            stage,
            Spent {
                seconds: time.as_secs_f64(),
                ..Spent::default()
            },
        );
    }

    /// Items of memory that a prompt of a stage showed.
    pub fn recalled(&self, stage: &str, items: usize) {
        self.add(
            stage,
            Spent {
                recalled: items as u64,
                ..Spent::default()
            },
        );
    }

    fn add(&self, stage: &str, spent: Spent) {
        self.lock().entry(stage.to_owned()).or_default().add(spent);
        if let Some(above) = &self.above {
            above.add(stage, spent);
        }
    }

    /// By stage.
    pub fn spent(&self) -> BTreeMap<String, Spent> {
        self.lock().clone()
    }

    /// All stages together.
    pub fn total(&self) -> Spent {
        let mut total = Spent::default();
        self.lock().values().for_each(|spent| total.add(*spent));
        total
    }

    fn within(&self) -> Result<(), ChatError> {
        if let Some(above) = &self.above {
            above.within()?;
        }
        let total = self.total();
        let tokens = total.prompt_tokens + total.completion_tokens;
        let passed = self.started.elapsed();
        let over = |what: String| Err(ChatError::Budget(format!("the budget of {what} is spent")));
        match self.budget {
            Budget {
                cost: Some(most), ..
            } if total.cost >= most => over(format!("{most} dollars")),
            Budget {
                tokens: Some(most), ..
            } if tokens >= most => over(format!("{most} tokens")),
            Budget {
                calls: Some(most), ..
            } if total.calls >= most => over(format!("{most} calls")),
            Budget {
                seconds: Some(most),
                ..
            } if passed >= Duration::from_secs_f64(most) => over(format!("{most} seconds")),
            _ => Ok(()),
        }
    }

    // Numbers that a panicking thread left behind are still numbers.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Spent>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Parrot;

    impl ChatModel for Parrot {
        fn name(&self) -> &str {
            "parrot"
        }

        fn ask(&self, request: &Request) -> Result<Answer, ChatError> {
            Ok(Answer {
                text: request.messages[0].content.clone(),
                usage: Usage {
                    prompt_tokens: 1000,
                    completion_tokens: 100,
                    estimated: false,
                },
            })
        }
    }

    fn ask(meter: &Meter) -> Result<Answer, ChatError> {
        let model = Metered {
            model: &Parrot,
            price: Price::parse("3/15").unwrap(),
        };
        let request = Request {
            messages: vec![super::super::says("user", "hello")],
            temperature: 0.0,
            max_tokens: 10,
        };
        meter.ask("reproduce", &model, &request)
    }

    #[test]
    fn tokens_and_dollars_add_up_by_stage() {
        let meter = Meter::new(Budget::default(), BTreeMap::new());
        ask(&meter).unwrap();
        ask(&meter).unwrap();
        meter.recalled("generate", 3);
        let spent = meter.spent();
        assert_eq!(spent["reproduce"].calls, 2);
        assert!((spent["reproduce"].cost - 0.009).abs() < 1e-12);
        assert_eq!(spent["generate"].recalled, 3);
        assert_eq!(meter.total().prompt_tokens, 2000);
    }

    #[test]
    fn a_spent_budget_stops_before_the_next_request_and_counts_earlier_runs() {
        let budget = Budget {
            calls: Some(3),
            ..Budget::default()
        };
        let before = Spent {
            calls: 2,
            ..Spent::default()
        };
        let meter = Meter::new(budget, BTreeMap::from([("reproduce".to_owned(), before)]));
        ask(&meter).unwrap();
        let error = ask(&meter).unwrap_err();
        assert_eq!(
            error,
            ChatError::Budget("the budget of 3 calls is spent".to_owned())
        );
    }

    #[test]
    fn a_part_spends_for_the_whole_and_ends_with_its_budget() {
        let budget = Budget {
            tokens: Some(2000),
            ..Budget::default()
        };
        let run = Arc::new(Meter::new(budget, BTreeMap::new()));
        let [first, second] = [(); 2].map(|()| run.part(Budget::default(), BTreeMap::new()));
        ask(&first).unwrap();
        ask(&second).unwrap();
        assert!(matches!(ask(&second), Err(ChatError::Budget(_))));
        assert_eq!((first.total().calls, run.total().calls), (1, 2));
    }

    #[test]
    fn prices_are_two_numbers() {
        for wrong in ["3", "a/b", "-1/2", "inf/1", ""] {
            assert!(Price::parse(wrong).is_err(), "{wrong}");
        }
    }
}
