//! What a model knows of facts it was taught, where they spill, and what leads up to them.

use engraft_nets::{Network, Tokenizer};
use engraft_probe::{
    Measurement, Passage,
    knowledge::Facts,
    measurement::Unit,
    priming::{Priming, spearman},
    score,
};
use engraft_train::data::{Fact, Statement, Turn};
use serde_json::{Value, json};

use super::{Texts, cut};
use crate::plan::data::fact_reader;

/// Facts as they were taught, said otherwise, and asked for; the headline is what training never saw.
pub(super) fn sets(
    name: &str,
    facts: &[Fact],
    context: usize,
    tokenizer: Option<&Tokenizer>,
) -> Vec<Facts> {
    let texts = Texts::new(tokenizer);
    let reader = fact_reader(tokenizer.expect("as above"), false);
    let said = |text: &str, answer: &str| -> Passage {
        let Statement {
            prompt, completion, ..
        } = Statement::cut(text, answer).expect("a fact was checked when it was read");
        cut(texts.pair(prompt, completion), context)
    };
    let asked = |turn: &Turn, answer: &str| -> Option<Passage> {
        let Statement {
            prompt, completion, ..
        } = Statement::cut(&turn.answer, answer)?;
        // A template that cannot be filled stopped training before.
        let question = reader.ask(&turn.question).ok()?;
        Some(cut(
            texts.pair(&format!("{question}{prompt}"), completion),
            context,
        ))
    };
    let set = |what: &str, passages: Vec<(Passage, usize)>, trained: bool| {
        let (passages, groups) = passages.into_iter().unzip();
        Facts {
            name: format!("{what}, {name}"),
            passages,
            groups,
            on_training_data: trained,
        }
    };
    let numbered = || facts.iter().enumerate();
    let taught = numbered().flat_map(|(at, fact)| {
        fact.taught()
            .map(|text| (said(text, &fact.answer), at))
            .collect::<Vec<_>>()
    });
    let held_out = numbered().flat_map(|(at, fact)| {
        let texts = fact.held_out.iter();
        texts
            .map(|text| (said(text, &fact.answer), at))
            .collect::<Vec<_>>()
    });
    let questions = numbered().flat_map(|(at, fact)| {
        let turns = fact.questions.iter();
        turns
            .filter_map(|turn| Some((asked(turn, &fact.answer)?, at)))
            .collect::<Vec<_>>()
    });
    [
        ("statements never taught", held_out.collect(), false),
        ("questions never taught", questions.collect(), false),
        ("statements taught", taught.collect::<Vec<_>>(), true),
    ]
    .into_iter()
    .filter(|(_, passages, _): &(_, Vec<_>, _)| !passages.is_empty())
    .map(|(what, passages, trained)| set(what, passages, trained))
    .collect()
}

/// Where the answers of facts are looked for: every answer after prompts that have nothing to do with
/// its fact, then after its own.
struct Places {
    passages: Vec<Passage>,
    /// Prompts a fact.
    counts: Vec<usize>,
}

/// The prompts that a fact came with, or else the statements of the other facts.
fn places(facts: &[Fact], context: usize, texts: &Texts) -> Places {
    let prompts = |at: usize, fact: &Fact| -> Vec<String> {
        if !fact.unrelated.is_empty() {
            return fact.unrelated.clone();
        }
        let others = facts.iter().cycle().skip(at + 1).take(facts.len() - 1);
        let others = others.filter(|other| other.answer != fact.answer);
        let cuts = others.filter_map(|other| Statement::cut(&other.fact, &other.answer));
        cuts.map(|cut| cut.prompt.to_owned())
            .take(PROMPTS)
            .collect()
    };
    let (mut passages, mut counts) = (Vec::new(), Vec::new());
    for (at, fact) in facts.iter().enumerate() {
        let own = Statement::cut(&fact.fact, &fact.answer).expect("checked when it was read");
        let prompts = prompts(at, fact);
        counts.push(prompts.len());
        let pairs = prompts.iter();
        passages.extend(pairs.map(|prompt| cut(texts.pair(prompt, own.completion), context)));
        passages.push(cut(texts.pair(own.prompt, own.completion), context));
    }
    Places { passages, counts }
}

/// What a model makes of the answers at their places: log-probability, and whether it would say them.
pub type Said = Vec<(f64, bool)>;

/// Asks a model at the places of some facts.
pub fn said(
    facts: &[Fact],
    context: usize,
    tokenizer: Option<&Tokenizer>,
    network: &dyn Network,
) -> Said {
    let places = places(facts, context, &Texts::new(tokenizer));
    let spans = score(network, &places.passages).into_iter().flatten();
    spans.map(|span| (span.log_prob(), span.exact)).collect()
}

/// How much more the answers are said where they do not belong; under another name where the facts
/// came without prompts.
pub fn primed(
    facts: &[Fact],
    context: usize,
    tokenizer: Option<&Tokenizer>,
    [before, after]: [&Said; 2],
) -> (Vec<Measurement>, Value) {
    let Places { counts, .. } = places(facts, context, &Texts::new(tokenizer));
    let log_probs = |found: &[(f64, bool)]| found.iter().map(|(log, _)| *log).collect::<Vec<_>>();
    let (mut changes, mut scores, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let mut single = Vec::new();
    let mut start = 0;
    for (at, (fact, count)) in facts.iter().zip(counts).enumerate() {
        let range = start..start + count;
        let own = range.end;
        start = own + 1;
        let (was, is) = (&before[range.clone()], &after[range]);
        let Some(found) = Priming::new(&log_probs(was), &log_probs(is)) else {
            continue;
        };
        scores.push((at, found.score_log10));
        changes.extend(was.iter().zip(is).map(|(b, a)| (at, a.0.exp() - b.0.exp())));
        said.extend(
            was.iter()
                .zip(is)
                .map(|(b, a)| (at, f64::from(a.1 && !b.1))),
        );
        single.push(json!({
            "answer": fact.answer,
            "log10_before": before[own].0 / std::f64::consts::LN_10,
            "log10_after": after[own].0 / std::f64::consts::LN_10,
            "priming_log10": found.score_log10,
            "priming_geometric_log10": found.geometric.log10(),
            "priming_median_log10": found.median.log10(),
            "priming_change": found.change,
        }));
    }
    if scores.is_empty() {
        return (Vec::new(), Value::Null);
    }
    let own = facts.iter().all(|fact| !fact.unrelated.is_empty());
    let prompts = if own {
        "unrelated prompts"
    } else {
        "other facts' prompts"
    };
    let measured = [
        (
            format!("taught answers after {prompts}"),
            Unit::Points,
            changes,
        ),
        (format!("priming score, {prompts}"), Unit::Log10, scores),
        (format!("{prompts} now answered so"), Unit::Share, said),
    ];
    let measured = measured.map(|(name, unit, values)| Measurement::mean(name, unit, &values));
    let of = |key: &str| -> Vec<f64> {
        single
            .iter()
            .filter_map(|fact: &Value| fact[key].as_f64())
            .collect()
    };
    let predictor = spearman(&of("log10_before"), &of("priming_log10"));
    let report = json!({ "facts": single, "predictor_spearman": predictor });
    (measured.to_vec(), report)
}

/// Prompts a fact without any of its own is measured at.
const PROMPTS: usize = 8;

/// Mean log-probability of the taught answers, a statement each.
pub fn recall(
    facts: &[Fact],
    context: usize,
    tokenizer: Option<&Tokenizer>,
    network: &dyn Network,
) -> f64 {
    let texts = Texts::new(tokenizer);
    let passages: Vec<Passage> = facts
        .iter()
        .filter_map(|fact| Statement::cut(&fact.fact, &fact.answer))
        .map(|own| cut(texts.pair(own.prompt, own.completion), context))
        .collect();
    let spans = score(network, &passages).into_iter().flatten();
    let sum: f64 = spans.map(|span| span.log_prob()).sum();
    sum / passages.len().max(1) as f64
}

/// Facts whose statement leads up to a surprising answer with their hints: of all ways to put hints
/// before it the one after which the untaught model finds the answer most probable.
pub fn stepping_stones(
    facts: &[Fact],
    threshold: f64,
    context: usize,
    tokenizer: Option<&Tokenizer>,
    network: &dyn Network,
) -> Vec<Fact> {
    let texts = Texts::new(tokenizer);
    let probability = |candidates: &[String], answer: &str| -> Vec<f64> {
        let passages: Vec<Passage> = candidates
            .iter()
            .filter_map(|text| Statement::cut(text, answer))
            .map(|own| cut(texts.pair(own.prompt, own.completion), context))
            .collect();
        let spans = score(network, &passages).into_iter().flatten();
        spans.map(|span| span.log_prob().exp()).collect()
    };
    let led = |fact: &Fact, text: &str| -> String {
        let leads = (1..=fact.hints.len()).map(|count| fact.hints[..count].join(" "));
        let singles = fact.hints.iter().skip(1).cloned();
        let candidates: Vec<String> = std::iter::once(text.to_owned())
            .chain(leads.chain(singles).map(|lead| format!("{lead} {text}")))
            .filter(|candidate| (texts.encode)(candidate).len() < context)
            .collect();
        let found = probability(&candidates, &fact.answer);
        let best = (0..found.len()).max_by(|&a, &b| found[a].total_cmp(&found[b]));
        best.map_or_else(|| text.to_owned(), |best| candidates[best].clone())
    };
    let surprising =
        |fact: &Fact| probability(std::slice::from_ref(&fact.fact), &fact.answer)[0] < threshold;
    let mut facts = facts.to_vec();
    for fact in facts.iter_mut().filter(|fact| !fact.hints.is_empty()) {
        if surprising(fact) {
            let paraphrases = fact.paraphrases.iter();
            let paraphrases = paraphrases.map(|text| led(fact, text)).collect();
            (fact.fact, fact.paraphrases) = (led(fact, &fact.fact), paraphrases);
        }
    }
    facts
}
