//! More to learn from a fact than its statement: KORE's dialogues and tasks, by templates or written
//! by a language model.

pub mod documents;
pub mod llm;
pub mod templates;

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use engraft_nets::files::write_file;
use engraft_train::data::{Fact, read_facts};
use serde::{Deserialize, Serialize};

use llm::Llm;

/// Augments every fact and writes them as a file of facts, which appears whole or not at all.
///
/// What a language model wrote is kept beside it until then, so that a run that is cut short asks for
/// nothing twice.
pub fn augment(
    facts: &[Fact],
    llm: Option<&Llm>,
    out: &Path,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Vec<Fact>> {
    let place = beside(out);
    let known = match llm {
        Some(_) => known(&place),
        None => BTreeMap::new(),
    };
    let mut augmented = Vec::new();
    for (index, fact) in facts.iter().enumerate() {
        let templated = templates::augment(fact);
        let fact = match llm {
            None => templated,
            Some(llm) => {
                let asked = llm.asked(fact);
                match known.get(&asked) {
                    Some(known) => known.clone(),
                    None => {
                        let written = llm
                            .write(templated)
                            .with_context(|| format!("fact {}: \"{}\"", index + 1, fact.fact))?;
                        remember(&place, asked, &written)?;
                        written
                    }
                }
            }
        };
        augmented.push(fact);
        progress(index + 1);
    }
    let mut text = String::new();
    for fact in &augmented {
        text.push_str(&serde_json::to_string(fact)?);
        text.push('\n');
    }
    write_file(out, text.as_bytes())?;
    if llm.is_some() && place.exists() {
        std::fs::remove_file(&place)
            .with_context(|| format!("cannot remove {}", place.display()))?;
    }
    Ok(augmented)
}

fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// What was asked (fact, model, number of turns), and what came back.
#[derive(Serialize, Deserialize)]
struct Answered {
    asked: String,
    fact: Fact,
}

/// What an earlier run left; a line cut short costs only itself.
fn known(place: &Path) -> BTreeMap<String, Fact> {
    let Ok(text) = std::fs::read_to_string(place) else {
        return BTreeMap::new();
    };
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .map(|answered: Answered| (answered.asked, answered.fact))
        .collect()
}

fn remember(place: &Path, asked: String, fact: &Fact) -> anyhow::Result<()> {
    let answered = Answered {
        asked,
        fact: fact.clone(),
    };
    // A line of its own, whatever a crash left of the one before.
    let line = format!("\n{}\n", serde_json::to_string(&answered)?);
    let file = OpenOptions::new().create(true).append(true).open(place);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("cannot write {}; free some space", place.display()))
}

/// Facts from a file: JSON lines of facts, or the sentences of a document.
pub fn read(path: &Path) -> anyhow::Result<Vec<Fact>> {
    let name = path.to_string_lossy();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    match plain.ends_with(".jsonl") {
        true => Ok(read_facts(path)?),
        false => documents::facts(path),
    }
}
