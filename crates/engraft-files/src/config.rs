//! `config.json`: what is wrong with one, and the checks every family of networks shares.

use serde_json::Value as Json;

/// Why a description gives no network.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("{key} is {value}, which {problem}")]
    Value {
        key: &'static str,
        value: String,
        problem: String,
    },
    #[error("config.json: {0}")]
    Config(String),
    #[error("only language models have blocks that can be kept one by one; give a GPT or Llama")]
    NoBlocks,
}

/// Largest sizes a `config.json` may ask for: beyond any model of the family, so that a damaged
/// file cannot make us allocate the machine away.
const LARGEST: u64 = 1 << 20;

/// A size of a `config.json`: 1 or more, and no more than any model of the family has.
pub fn size(config: &Json, key: &'static str) -> Result<usize, SpecError> {
    let value = config.get(key).and_then(Json::as_u64);
    let value = value
        .ok_or_else(|| SpecError::Config(format!("the key `{key}` is missing or no number")))?;
    positive(&[(key, value as usize)])?;
    if value > LARGEST {
        return Err(wrong(
            key,
            value,
            format!("is above {LARGEST}; the file is damaged"),
        ));
    }
    Ok(value as usize)
}

pub fn wrong(key: &'static str, value: impl ToString, problem: impl Into<String>) -> SpecError {
    SpecError::Value {
        key,
        value: value.to_string(),
        problem: problem.into(),
    }
}

pub fn positive(values: &[(&'static str, usize)]) -> Result<(), SpecError> {
    match values.iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => Err(wrong(key, 0, "must be 1 or more")),
        None => Ok(()),
    }
}

pub fn above_zero(key: &'static str, value: f64) -> Result<(), SpecError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(wrong(key, value, "must be above 0")),
    }
}

pub fn heads_fit(key: &'static str, value: usize, heads: usize) -> Result<(), SpecError> {
    if value > 0 && heads > 0 && value.is_multiple_of(heads) {
        return Ok(());
    }
    Err(wrong(key, value, format!("{heads} heads do not divide")))
}
