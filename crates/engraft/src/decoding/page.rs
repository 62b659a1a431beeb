//! An answer as a page: every token in the colour of where it came from, with what the method measured.

use engraft_decode::{Chosen, Source};
use engraft_files::Tokenizer;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use serde_json::{Value, json};

use super::explain;

/// What stands above the answer.
#[derive(Clone, Debug, Serialize)]
pub struct Heading {
    pub question: String,
    pub context: Option<String>,
    pub model: String,
    pub method: String,
    /// The method's settings, defaults filled in.
    pub settings: Value,
}

/// A token with its reasons.
#[derive(Clone, Debug)]
pub struct Token {
    pub chosen: Chosen,
    /// What it adds to the text.
    pub text: String,
    /// The place in the context that holds it.
    pub behind: Option<String>,
}

/// The page as HTML, complete in itself.
///
/// # Errors
/// None for the template of this program.
pub fn page(
    heading: &Heading,
    tokens: &[Token],
    tokenizer: &Tokenizer,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", include_str!("page.html"))?;
    let shown: Vec<Value> = tokens.iter().map(|token| shown(token, tokenizer)).collect();
    let mut sources: Vec<(&str, &str, usize)> = Vec::new();
    for token in tokens {
        let (class, words) = class(token.chosen.told.source);
        match sources.iter_mut().find(|(known, ..)| *known == class) {
            Some((_, _, count)) => *count += 1,
            None => sources.push((class, words, 1)),
        }
    }
    environment.get_template("page")?.render(context! {
        heading,
        tokens => shown,
        sources,
        total => tokens.len(),
        version => env!("CARGO_PKG_VERSION"),
    })
}

/// The style of a source, and what it means.
fn class(source: Option<Source>) -> (&'static str, &'static str) {
    match source {
        None => ("plain", "the method names no source"),
        Some(Source::Model) => ("model", "model: it would have said so in any case"),
        Some(Source::Memory) => ("memory", "memory: what it remembers won over the context"),
        Some(Source::Context) => ("context", "context: the text won over what it remembers"),
        Some(Source::Knowledge) => (
            "knowledge",
            "knowledge: a graph or wanted words changed the token",
        ),
        Some(Source::Layer(_)) => ("layer", "layer: an earlier layer changed the token"),
    }
}

fn shown(token: &Token, tokenizer: &Tokenizer) -> Value {
    let chosen = &token.chosen;
    let percent = |log: f32| format!("{:.2}", 100.0 * log.exp());
    let alternatives: Vec<Value> = chosen
        .alternatives
        .iter()
        .map(|(other, log)| json!([tokenizer.decode_whole(&[*other]), percent(*log)]))
        .collect();
    let numbers: Vec<Value> = chosen
        .told
        .numbers
        .iter()
        .map(|(name, number)| json!([name, format!("{number:.3}")]))
        .collect();
    json!({
        "piece": tokenizer.decode_whole(&[chosen.token]),
        "text": token.text,
        "class": class(chosen.told.source).0,
        "source": explain::source(chosen.told.source),
        "percent": percent(chosen.log_probability),
        "alternatives": alternatives,
        "numbers": numbers,
        "note": chosen.told.note,
        "behind": token.behind,
        "edge": explain::edge(chosen, tokenizer),
    })
}
