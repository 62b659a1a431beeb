//! Why a token was chosen: a line for people, and the same as JSON.

use engraft_decode::{Chosen, Source};
use engraft_files::Tokenizer;
use serde_json::{Value, json};

/// Where a token came from, in a word.
pub fn source(told: Option<Source>) -> String {
    match told {
        None => "-".to_owned(),
        Some(Source::Model) => "model".to_owned(),
        Some(Source::Memory) => "memory".to_owned(),
        Some(Source::Context) => "context".to_owned(),
        Some(Source::Knowledge) => "knowledge".to_owned(),
        Some(Source::Layer(layer)) => format!("layer {layer}"),
    }
}

/// The edge of a graph that was followed: `"of France" -> " Paris"`.
pub fn edge(chosen: &Chosen, tokenizer: &Tokenizer) -> Option<String> {
    let (next, key) = chosen.told.edge.split_last()?;
    let text = |tokens: &[u32]| tokenizer.decode_whole(tokens);
    Some(format!("{:?} -> {:?}", text(key), text(&[*next])))
}

/// A token for people; `behind` is the place in the context that holds it.
pub fn words(chosen: &Chosen, behind: Option<&str>, tokenizer: &Tokenizer) -> String {
    let piece = |token: u32| format!("{:?}", tokenizer.decode_whole(&[token]));
    let mut line = format!(
        "{:<18} {:<10} {:>6.2} %",
        piece(chosen.token),
        source(chosen.told.source),
        100.0 * chosen.log_probability.exp()
    );
    for (name, number) in &chosen.told.numbers {
        line.push_str(&format!("  {name} {number:.3}"));
    }
    let others = chosen
        .alternatives
        .iter()
        .filter(|(token, _)| *token != chosen.token);
    let others: Vec<String> = others
        .map(|(token, score)| format!("{} {:.2} %", piece(*token), 100.0 * score.exp()))
        .collect();
    line.push_str(&format!("  or {}", others.join(", ")));
    if let Some(edge) = edge(chosen, tokenizer) {
        line.push_str(&format!("  edge {edge}"));
    }
    if let Some(note) = &chosen.told.note {
        line.push_str(&format!("  ({note})"));
    }
    if let Some(behind) = behind {
        line.push_str(&format!("  from {behind:?}"));
    }
    line
}

/// The same as JSON.
pub fn line(chosen: &Chosen, new: &str, behind: Option<&str>, tokenizer: &Tokenizer) -> Value {
    let numbers = chosen.told.numbers.iter();
    let numbers: serde_json::Map<String, Value> = numbers
        .map(|(name, number)| ((*name).to_owned(), json!(number)))
        .collect();
    let alternatives: Vec<Value> = chosen
        .alternatives
        .iter()
        .map(|(token, score)| {
            json!({
                "token": token, "text": tokenizer.decode_whole(&[*token]),
                "log_probability": score,
            })
        })
        .collect();
    json!({
        "token": chosen.token, "text": new, "log_probability": chosen.log_probability,
        "source": source(chosen.told.source), "numbers": numbers, "note": chosen.told.note, "behind": behind,
        "edge": edge(chosen, tokenizer),
        "alternatives": alternatives,
    })
}
