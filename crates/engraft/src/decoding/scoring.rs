//! How probable a model finds given texts, completions and choices.

use std::path::Path;

use engraft_decode::{Given, Pasts, Way, choosable, logits::log_softmax};
use engraft_probe::{Measurement, bootstrap, measurement::Unit};
use engraft_runtime::{Ask, Blind, CausalLm, Feed};
use engraft_train::data::{DataError, read_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asked, Choice, Decoder, Stated, rows::rows_as};

/// Something to score.
#[derive(Clone, Debug)]
pub enum Item {
    /// A text, token by token.
    Text(String),
    Completion(Completion),
    Choices(Choices),
}

/// A prompt and how it goes on.
#[derive(Clone, Debug, Deserialize)]
pub struct Completion {
    #[serde(default)]
    pub context: Option<String>,
    pub prompt: String,
    pub completion: String,
    #[serde(flatten)]
    pub stated: Stated,
}

/// A prompt and several ways to go on.
#[derive(Clone, Debug, Deserialize)]
pub struct Choices {
    #[serde(default)]
    pub context: Option<String>,
    pub prompt: String,
    pub choices: Vec<String>,
    /// Which of them are right, from 0.
    pub answer: Right,
    #[serde(flatten)]
    pub stated: Stated,
}

/// One right choice, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Right {
    One(usize),
    Several(Vec<usize>),
}

/// What was found about an item.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Found {
    Text {
        tokens: usize,
        /// Natural logarithm.
        log_probability: f64,
    },
    Completion {
        tokens: usize,
        log_probability: f64,
        /// Whether the method would choose each of its tokens.
        greedy: bool,
    },
    Choices {
        log_probabilities: Vec<f64>,
        tokens: Vec<usize>,
        /// Whether the most probable choice is right; of equal ones, which share of them is.
        right: f64,
        right_by_token: f64,
        /// Share of the choices' probability that the right ones have.
        right_mass: f64,
    },
}

/// How items are scored.
pub struct Scoring<'a> {
    pub decoder: &'a Decoder,
    pub method: &'a Choice,
    /// Whether prompts are left as they are, without the chat template.
    pub raw: bool,
    /// Tokens of a text that are read together; the first of each, which is the model's mark of a
    /// beginning if it has one, is not scored.
    pub window: usize,
}

/// A text in tokens, each with what the method says of it.
type Scored = (Vec<u32>, Vec<Given>);

/// Reads items: JSON lines, or a text as a whole.
///
/// # Errors
/// A file or line that holds none, in one sentence.
pub fn read(path: &Path) -> Result<Vec<Item>, DataError> {
    let name = path.to_string_lossy();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    match plain.ends_with(".jsonl") {
        true => rows_as(path, item),
        false => Ok(vec![Item::Text(read_text(path)?)]),
    }
}

fn item(row: Value) -> Result<Item, String> {
    let has = |key: &str| row.get(key).is_some();
    let fail = |error: serde_json::Error| error.to_string();
    if has("choices") {
        let choices: Choices = serde_json::from_value(row).map_err(fail)?;
        let (count, right) = (choices.choices.len(), choices.right());
        return match count >= 2 && !right.is_empty() && right.iter().all(|at| *at < count) {
            true => Ok(Item::Choices(choices)),
            false => Err(format!(
                "`answer` names none of {count} choices; give two or more and count from 0"
            )),
        };
    }
    if has("completion") {
        return serde_json::from_value(row)
            .map(Item::Completion)
            .map_err(fail);
    }
    match row.get("text").and_then(Value::as_str) {
        Some(text) => Ok(Item::Text(text.to_owned())),
        None => Err(
            "has no `text`, no `prompt` and `completion`, no `prompt`, `choices` and `answer`"
                .to_owned(),
        ),
    }
}

impl Choices {
    fn right(&self) -> &[usize] {
        match &self.answer {
            Right::One(at) => std::slice::from_ref(at),
            Right::Several(all) => all,
        }
    }
}

impl Scoring<'_> {
    /// How often `find` will tell of an item: the windows of a text, else once.
    pub fn parts(&self, item: &Item) -> usize {
        match item {
            Item::Text(text) => self.windows(text).len(),
            _ => 1,
        }
    }

    /// What is found about an item; a long text is several. `tell` is called after every part.
    ///
    /// # Errors
    /// A prompt that lacks what the method needs, or one that is too long.
    pub fn find(&self, item: &Item, tell: &mut dyn FnMut()) -> anyhow::Result<Vec<Found>> {
        let found = match item {
            Item::Text(text) => return self.text(text, tell),
            Item::Completion(pair) => {
                let asked = self.ask(&pair.prompt, pair.context.as_deref())?;
                let mut way = self.way(&pair.stated)?;
                let completion = &pair.completion;
                let (tokens, given) =
                    self.given(&asked, completion, &mut way, &mut Pasts::default())?;
                Found::Completion {
                    tokens: tokens.len(),
                    log_probability: sum(&given),
                    greedy: given.iter().all(|one| one.first),
                }
            }
            Item::Choices(choices) => self.choices(choices)?,
        };
        tell();
        Ok(vec![found])
    }

    fn choices(&self, item: &Choices) -> anyhow::Result<Found> {
        let asked = self.ask(&item.prompt, item.context.as_deref())?;
        let mut pasts = Pasts::default();
        let mut log_probabilities = Vec::new();
        let mut tokens = Vec::new();
        for choice in &item.choices {
            let mut way = self.way(&item.stated)?;
            let (of_choice, given) = self.given(&asked, choice, &mut way, &mut pasts)?;
            log_probabilities.push(sum(&given));
            tokens.push(of_choice.len());
        }
        let by_token: Vec<f64> = log_probabilities
            .iter()
            .zip(&tokens)
            .map(|(log, count)| log / (*count).max(1) as f64)
            .collect();
        let right = item.right();
        let most = largest(&log_probabilities);
        let mass = |log: f64| (log - most).exp();
        let all: f64 = log_probabilities.iter().map(|&log| mass(log)).sum();
        let of_right: f64 = right.iter().map(|&at| mass(log_probabilities[at])).sum();
        Ok(Found::Choices {
            right: share_right(&log_probabilities, right),
            right_by_token: share_right(&by_token, right),
            right_mass: of_right / all,
            log_probabilities,
            tokens,
        })
    }

    fn ask(&self, prompt: &str, context: Option<&str>) -> anyhow::Result<Asked> {
        Asked::question(&self.decoder.tokenizer, prompt, context, self.raw)
    }

    fn way(&self, row: &Stated) -> anyhow::Result<Way> {
        self.decoder.way(&self.method.entry, &self.method.on(row))
    }

    /// The tokens of a completion, and what the method says of them.
    fn given(
        &self,
        asked: &Asked,
        completion: &str,
        way: &mut Way,
        pasts: &mut Pasts<engraft_runtime::Sequence>,
    ) -> anyhow::Result<Scored> {
        let tokens = self.decoder.tokenizer.encode(completion);
        anyhow::ensure!(!tokens.is_empty(), "a completion is empty; remove the line");
        let given = self.decoder.score(asked, way, pasts, &tokens);
        let given = given.map_err(|problem| anyhow::anyhow!("{}: {problem}", self.method.name))?;
        Ok((tokens, given))
    }

    /// A text in tokens that are read together; what is too short to be scored is left out.
    fn windows(&self, text: &str) -> Vec<Vec<u32>> {
        let tokenizer = &self.decoder.tokenizer;
        let start: Vec<u32> = tokenizer.start_of_text().into_iter().collect();
        let tokens = tokenizer.encode(text);
        // A mark that stands in the text is not written twice.
        let tokens = tokens.strip_prefix(&*start).unwrap_or(&tokens);
        let windows = tokens.chunks(self.window - start.len());
        let windows = windows.map(|window| [&start, window].concat());
        windows.filter(|window| window.len() > 1).collect()
    }

    /// A text window by window.
    fn text(&self, text: &str, tell: &mut dyn FnMut()) -> anyhow::Result<Vec<Found>> {
        let model = &self.decoder.model;
        let vocab = model.shape().vocab;
        let mut all = Vec::new();
        for window in self.windows(text) {
            let mut stream = model.stream();
            let mut log_probability = 0.0;
            for (at, piece) in window[..window.len() - 1].chunks(PIECE).enumerate() {
                let feed = Feed {
                    stream: &mut stream,
                    tokens: piece,
                    ask: Ask::All,
                };
                let logits = model.forward(&mut [feed], &mut Blind)?;
                let next = &window[at * PIECE + 1..];
                for (row, &token) in logits.chunks_exact(vocab).zip(next) {
                    choosable(row)?;
                    log_probability += f64::from(log_softmax(row)[token as usize]);
                }
            }
            all.push(Found::Text {
                tokens: window.len() - 1,
                log_probability,
            });
            tell();
        }
        anyhow::ensure!(!all.is_empty(), "a text has fewer than two tokens");
        Ok(all)
    }
}

/// What a token counts that a method rules out, in nats: as in the official scoring of DoLa. With minus
/// infinity all choices with such a token would be equal.
const RULED_OUT: f32 = -1000.0;

/// Tokens whose logits are in memory together.
const PIECE: usize = 64;

fn sum(given: &[Given]) -> f64 {
    let logs = given.iter().map(|one| one.log_probability.max(RULED_OUT));
    logs.map(f64::from).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The share of right ones among those with the largest value.
fn share_right(values: &[f64], right: &[usize]) -> f64 {
    let most = largest(values);
    let best: Vec<usize> = (0..values.len()).filter(|&at| values[at] == most).collect();
    let hits = best.iter().filter(|at| right.contains(at)).count();
    hits as f64 / best.len().max(1) as f64
}

/// What the items say together. `name` is what was scored, `method` by what; texts are scored by the plain
/// model whatever the method.
pub fn measurements(name: &str, method: Option<&str>, found: &[Found]) -> Vec<Measurement> {
    let mut texts: Vec<(f64, f64)> = Vec::new();
    let mut logs: Vec<(usize, f64)> = Vec::new();
    let mut exact: Vec<(usize, f64)> = Vec::new();
    let (mut right, mut by_token, mut mass) = (Vec::new(), Vec::new(), Vec::new());
    for (at, one) in found.iter().enumerate() {
        match one {
            Found::Text {
                tokens,
                log_probability,
            } => texts.push((*tokens as f64, *log_probability)),
            Found::Completion {
                log_probability,
                greedy,
                ..
            } => {
                logs.push((at, *log_probability));
                exact.push((at, f64::from(*greedy)));
            }
            Found::Choices {
                right: one,
                right_by_token,
                right_mass,
                ..
            } => {
                right.push((at, *one));
                by_token.push((at, *right_by_token));
                mass.push((at, *right_mass));
            }
        }
    }
    let mut all = Vec::new();
    if !texts.is_empty() {
        all.push(perplexity(format!("{name}: perplexity of a token"), &texts));
    }
    let by = method.map_or_else(String::new, |method| format!(" by {method}"));
    let shares = [
        ("log-probability of the completion", Unit::Nats, logs),
        ("completion is the most probable", Unit::Share, exact),
        ("right choice by log-probability", Unit::Share, right),
        (
            "right choice by log-probability a token",
            Unit::Share,
            by_token,
        ),
        (
            "probability of the right among the choices",
            Unit::Share,
            mass,
        ),
    ];
    for (what, unit, values) in shares {
        if !values.is_empty() {
            all.push(Measurement::mean(
                format!("{name}{by}: {what}"),
                unit,
                &values,
            ));
        }
    }
    all
}

/// Of windows of (tokens, log-probability), which are what is drawn for the interval.
fn perplexity(probe: String, windows: &[(f64, f64)]) -> Measurement {
    let tokens: f64 = windows.iter().map(|(tokens, _)| tokens).sum();
    // Windows are drawn, and each counts as many tokens as it has.
    let of_window = |(at, &(tokens, log)): (usize, &(f64, f64))| {
        std::iter::repeat_n((at, -log / tokens), tokens as usize)
    };
    let per_token: Vec<(usize, f64)> = windows.iter().enumerate().flat_map(of_window).collect();
    let value = windows.iter().map(|(_, log)| -log).sum::<f64>() / tokens;
    let interval = bootstrap(&per_token, &probe).map(|range| engraft_probe::Interval {
        low: range.low.exp(),
        high: range.high.exp(),
    });
    Measurement {
        value: value.exp(),
        n: tokens as usize,
        interval,
        unit: Unit::Perplexity,
        on_training_data: false,
        probe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_choices_each_counts_its_share() {
        assert_eq!(share_right(&[-1.0, -2.0], &[0]), 1.0);
        assert_eq!(share_right(&[-2.0, -2.0, -3.0], &[0]), 0.5);
        assert_eq!(share_right(&[-2.0, -1.0], &[0]), 0.0);
    }

    #[test]
    fn items_are_told_apart_by_their_keys_and_wrong_ones_say_why() {
        let read = |row: &str| item(serde_json::from_str(row).unwrap());
        assert!(matches!(read(r#"{"text": "a"}"#), Ok(Item::Text(_))));
        let pair = read(r#"{"prompt": "a", "completion": "b"}"#);
        assert!(matches!(pair, Ok(Item::Completion(_))));
        let several = r#"{"prompt": "a", "choices": ["b", "c"], "answer": [0, 1]}"#;
        assert!(matches!(read(several), Ok(Item::Choices(_))));
        for bad in [
            r#"{"prompt": "a", "choices": ["b"], "answer": 0}"#,
            r#"{"prompt": "a", "choices": ["b", "c"], "answer": []}"#,
            r#"{"prompt": "a", "choices": ["b", "c"]}"#,
            r#"{"completion": "b"}"#,
            r#"{"id": 3}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn perplexity_is_of_all_tokens_whatever_window_they_stand_in() {
        let found = [
            Found::Text {
                tokens: 3,
                log_probability: -3.0 * 2f64.ln(),
            },
            Found::Text {
                tokens: 1,
                log_probability: -2f64.ln(),
            },
        ];
        let all = measurements("x", Some("cad"), &found);
        assert!((all[0].value - 2.0).abs() < 1e-12);
        assert_eq!(all[0].n, 4);
        assert_eq!(all[0].probe, "x: perplexity of a token");
        let interval = all[0].interval.unwrap();
        assert!((interval.low - 2.0).abs() < 1e-9 && (interval.high - 2.0).abs() < 1e-9);
    }
}
