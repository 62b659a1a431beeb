//! What a step is measured by: gain on what was to be learned, kept on what was known, spill where
//! it does not belong.

mod facts;

use engraft_nets::{Network, Tokenizer};
use engraft_probe::{
    Measurement, Passage, Probe,
    accuracy::accuracy,
    capacity::{Bits, People as Capacity},
    knowledge::{Facts, perplexity, spill},
    score,
};
use engraft_train::data::{
    Attribute, Augment, ImageSource, Images, Marks, Normalization, People, Person, Record,
    Sampling, spread,
};
use std::sync::Arc;

use crate::plan::{
    Data,
    data::{encoder, marks},
};

pub use facts::{Said, primed, recall, said, stepping_stones};

/// Everything found about one data set; the first measurement is the headline.
pub fn knowledge(
    name: &str,
    data: &Data,
    tokenizer: Option<&Tokenizer>,
    network: &dyn Network,
) -> Vec<Measurement> {
    match data {
        Data::Biographies { people, options } => {
            let texts = Texts::new(tokenizer);
            biographies(name, people, options.asked_share, &texts)
                .iter()
                .flat_map(|facts| facts.measure(network))
                .collect()
        }
        Data::Facts { facts, context, .. } => facts::sets(name, facts, *context, tokenizer)
            .iter()
            .flat_map(|facts| facts.measure(network))
            .collect(),
        Data::Text {
            train,
            test,
            context,
            measure,
            ..
        } => {
            let texts = Texts::new(tokenizer);
            let held_out = (texts.encode)(test);
            // Too little held out to predict a single token: the text itself is measured.
            let trained = held_out.len() < 2;
            let (ids, part) = match trained {
                true => ((texts.encode)(train), "training text"),
                false => (held_out, "held out"),
            };
            let windows: Vec<Passage> = ids
                .chunks(*context)
                .filter(|window| window.len() > 1)
                .map(whole)
                .collect();
            let chosen = spread(windows.len(), *measure);
            let windows: Vec<Passage> = chosen.map(|at| windows[at].clone()).collect();
            let found = perplexity(&format!("perplexity of {name}, {part}"), &windows, network);
            vec![match trained {
                true => found.on_training_data(),
                false => found,
            }]
        }
        Data::Records {
            train,
            test,
            context,
            measure,
            ..
        } => {
            let texts = Texts::new(tokenizer);
            let (records, trained) = if test.is_empty() {
                (train, true)
            } else {
                (test, false)
            };
            let chosen = spread(records.len(), *measure);
            let records: Vec<&Record> = chosen.map(|at| &records[at]).collect();
            records_found(name, &records, trained, *context, &texts, network)
        }
        Data::Images {
            test,
            held_out,
            normalization,
            ..
        } => {
            let what = if *held_out {
                "held out"
            } else {
                "training images"
            };
            let batches = in_order(test, normalization);
            let found = accuracy(&format!("accuracy on {name}, {what}"), network, batches);
            vec![if *held_out {
                found
            } else {
                found.on_training_data()
            }]
        }
    }
}

/// The bits of knowledge about invented people, by the capacity meter.
pub fn bits(data: &Data, tokenizer: Option<&Tokenizer>, network: &dyn Network) -> Option<Bits> {
    let Data::Biographies { people, .. } = data else {
        return None;
    };
    let texts = Texts::new(tokenizer);
    let passages: Vec<Passage> = people
        .people
        .iter()
        .map(|person| texts.biography(person))
        .collect();
    let (mut names, mut values) = (0.0, 0.0);
    for spans in score(network, &passages) {
        names -= spans[0].log_prob();
        values -= spans[1..].iter().map(|span| span.log_prob()).sum::<f64>();
    }
    let count = people.people.len() as f64;
    let capacity = Capacity {
        people: count,
        names: people.lists.names() as f64,
        log2_values: people.lists.log2_values(),
    };
    Some(capacity.bits(
        names / count,
        values / count,
        network.parameter_count() as f64,
    ))
}

/// How much more probable newly taught answers became as answers about somebody else. Facts have a
/// measure of their own: [`primed`].
pub fn spilled(
    taught: &Data,
    others: &[&Data],
    tokenizer: Option<&Tokenizer>,
    before: &dyn Network,
    after: &dyn Network,
) -> Option<Measurement> {
    let elsewhere = match taught {
        Data::Biographies { people, .. } => {
            people_elsewhere(people, others, &Texts::new(tokenizer))
        }
        Data::Records { train, context, .. } => {
            records_elsewhere(train, *context, others, &Texts::new(tokenizer))
        }
        _ => None,
    }?;
    Some(spill(
        "taught answers, given about others",
        &elsewhere,
        before,
        after,
    ))
}

/// Texts as the model reads them.
struct Texts {
    encode: engraft_train::data::Encoder,
    marks: Marks,
}

impl Texts {
    fn new(tokenizer: Option<&Tokenizer>) -> Self {
        let tokenizer = tokenizer.expect("the plan gives every recipe with text a tokenizer");
        Self {
            encode: encoder(tokenizer),
            marks: marks(tokenizer),
        }
    }

    /// A prompt after the start mark, and its completion.
    fn pair(&self, prompt: &str, completion: &str) -> Passage {
        let mut ids: Vec<u32> = self.marks.start.into_iter().collect();
        ids.extend((self.encode)(prompt));
        Passage::completion(&ids, &(self.encode)(completion))
    }

    /// A biography in words that training did not use for this person, every fact a span.
    fn biography(&self, person: &Person) -> Passage {
        let (ids, facts) = person.biography(EXPOSURE).encode(&self.encode);
        let shift = usize::from(self.marks.start.is_some());
        Passage {
            ids: self.marks.start.into_iter().chain(ids).collect(),
            spans: facts
                .into_iter()
                // What stands first of all cannot be predicted.
                .map(|(_, tokens)| (tokens.start + shift).max(1)..(tokens.end + shift).max(1))
                .collect(),
        }
    }
}

/// The exposure that measuring uses; training draws its own from 64 random bits.
const EXPOSURE: u64 = 0;

/// Recited facts, questions asked in training, and questions never asked about: the headline where
/// some people were never asked about.
fn biographies(name: &str, people: &People, asked_share: f64, texts: &Texts) -> Vec<Facts> {
    let (asked, silent) = people.asked(asked_share);
    let questions = |chosen: &[Person]| -> (Vec<Passage>, Vec<usize>) {
        let all = chosen
            .iter()
            .flat_map(|person| Attribute::ALL.map(|attribute| (person, attribute)));
        all.map(|(person, attribute)| {
            let (prompt, answer) = person.question(attribute);
            (texts.pair(&prompt, &answer), person.id)
        })
        .unzip()
    };
    let facts = |what: &str, (passages, groups): (Vec<Passage>, Vec<usize>), trained: bool| Facts {
        name: format!("{what}, {name}"),
        passages,
        groups,
        on_training_data: trained,
    };
    let recited = people.people.iter().map(|person| {
        let mut passage = texts.biography(person);
        passage.spans.remove(0);
        (passage, person.id)
    });
    let mut all = vec![facts("facts recited", recited.unzip(), true)];
    if !silent.is_empty() {
        all.push(facts(
            "questions, people never asked about",
            questions(silent),
            false,
        ));
    }
    if !asked.is_empty() {
        all.push(facts(
            "questions, people asked about in training",
            questions(asked),
            true,
        ));
    }
    all
}

fn records_found(
    name: &str,
    records: &[&Record],
    trained: bool,
    context: usize,
    texts: &Texts,
    network: &dyn Network,
) -> Vec<Measurement> {
    let mut pairs = Facts {
        name: format!("completions, {name}"),
        passages: Vec::new(),
        groups: Vec::new(),
        on_training_data: trained,
    };
    let mut documents = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match record {
            Record::Pair { prompt, completion } => {
                let passage = texts.pair(prompt, completion);
                pairs.passages.push(cut(passage, context));
                pairs.groups.push(index);
            }
            Record::Text(text) => {
                let ids = texts.marks.around((texts.encode)(text));
                for window in ids.chunks(context).filter(|window| window.len() > 1) {
                    documents.push(whole(window));
                }
            }
        }
    }
    let mut found = Vec::new();
    if !pairs.passages.is_empty() {
        found.extend(pairs.measure(network));
    }
    if !documents.is_empty() {
        let part = if trained {
            "training documents"
        } else {
            "held out"
        };
        let value = perplexity(
            &format!("perplexity of {name}, {part}"),
            &documents,
            network,
        );
        found.push(if trained {
            value.on_training_data()
        } else {
            value
        });
    }
    found
}

/// Tokens of which all but the first are predicted.
fn whole(ids: &[u32]) -> Passage {
    let predicted = 1..ids.len();
    Passage {
        ids: ids.to_vec(),
        spans: vec![predicted],
    }
}

/// The end of a passage that a model can read at once.
fn cut(mut passage: Passage, context: usize) -> Passage {
    let surplus = passage.ids.len().saturating_sub(context);
    passage.ids.drain(..surplus);
    for span in &mut passage.spans {
        let end = span.end - surplus;
        *span = span.start.saturating_sub(surplus).max(1).min(end)..end;
    }
    passage
}

/// Each taught answer after the same question about a person of the other data.
fn people_elsewhere(taught: &People, others: &[&Data], texts: &Texts) -> Option<Facts> {
    let known: Vec<&Person> = others
        .iter()
        .filter_map(|data| match data {
            Data::Biographies { people, .. } => Some(&people.people),
            _ => None,
        })
        .flatten()
        .collect();
    if known.is_empty() {
        return None;
    }
    let mut elsewhere = Facts {
        name: String::new(),
        passages: Vec::new(),
        groups: Vec::new(),
        on_training_data: false,
    };
    for (index, person) in taught.people.iter().enumerate() {
        for (place, attribute) in Attribute::ALL.into_iter().enumerate() {
            let answer = person.question(attribute).1;
            // Walk on until the answer is wrong for the other person.
            let start = index * Attribute::ALL.len() + place;
            let other = (0..known.len())
                .map(|step| known[(start + step) % known.len()])
                .find(|other| other.value(attribute) != person.value(attribute));
            let Some(other) = other else { continue };
            elsewhere
                .passages
                .push(texts.pair(&other.question(attribute).0, &answer));
            elsewhere.groups.push(person.id);
        }
    }
    Some(elsewhere)
}

/// Each taught completion after the prompt of another record.
fn records_elsewhere(
    taught: &[Record],
    context: usize,
    others: &[&Data],
    texts: &Texts,
) -> Option<Facts> {
    let prompts: Vec<&str> = others
        .iter()
        .filter_map(|data| match data {
            Data::Records { train, .. } => Some(train),
            _ => None,
        })
        .flatten()
        .filter_map(|record| match record {
            Record::Pair { prompt, .. } => Some(prompt.as_str()),
            Record::Text(_) => None,
        })
        .collect();
    let completions = taught.iter().filter_map(|record| match record {
        Record::Pair { completion, .. } => Some(completion.as_str()),
        Record::Text(_) => None,
    });
    let passages: Vec<Passage> = completions
        .zip(prompts.iter().cycle())
        .map(|(completion, prompt)| cut(texts.pair(prompt, completion), context))
        .collect();
    (!passages.is_empty()).then(|| Facts {
        name: String::new(),
        groups: (0..passages.len()).collect(),
        passages,
        on_training_data: false,
    })
}

fn in_order(images: &Arc<Images>, normalization: &Normalization) -> Vec<engraft_nets::Batch> {
    let sampling = Sampling {
        seed: 0,
        batch: 1,
        accumulate: 1,
        by_length: false,
    };
    match ImageSource::new(images.clone(), normalization, Augment::default(), sampling) {
        Ok(source) => source.in_order(250).collect(),
        // The plan built a training source from the same normalisation before.
        Err(_) => Vec::new(),
    }
}

/// The value a data set is judged by: knowledge that can be used where it was measured (never asked
/// about, held out), recitation otherwise.
pub fn headline(found: &[Measurement]) -> Option<Measurement> {
    found
        .iter()
        .find(|value| !value.on_training_data)
        .or_else(|| found.first())
        .cloned()
}
