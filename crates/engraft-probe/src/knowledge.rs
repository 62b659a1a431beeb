//! Facts: said exactly, found probable, or said of somebody they do not belong to.

use engraft_nets::Network;

use crate::{Measurement, Passage, Probe, measurement::Unit, score::score};

/// A set of facts under one name.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What the set is, in words: `questions never asked about`.
    pub name: String,
    pub passages: Vec<Passage>,
    /// Which passages belong together (one person's), for the interval; as long as `passages`.
    pub groups: Vec<usize>,
    /// The model saw these very texts in training.
    pub on_training_data: bool,
}

impl Probe for Facts {
    /// Exact match and mean log-probability a fact.
    fn measure(&self, network: &dyn Network) -> Vec<Measurement> {
        let (mut exact, mut probable) = (Vec::new(), Vec::new());
        for (spans, &group) in score(network, &self.passages).iter().zip(&self.groups) {
            for span in spans {
                exact.push((group, f64::from(span.exact)));
                probable.push((group, span.log_prob()));
            }
        }
        [
            Measurement::mean(self.name.clone(), Unit::Share, &exact),
            Measurement::mean(
                format!("{}, log-probability", self.name),
                Unit::Nats,
                &probable,
            ),
        ]
        .into_iter()
        .map(|found| Measurement {
            on_training_data: self.on_training_data,
            ..found
        })
        .collect()
    }
}

/// How much more probable taught answers became where they are wrong: each passage is a question
/// about somebody else, completed with a newly taught answer.
pub fn spill(
    name: &str,
    elsewhere: &Facts,
    before: &dyn Network,
    after: &dyn Network,
) -> Measurement {
    let probability = |network: &dyn Network| -> Vec<f64> {
        let scores = score(network, &elsewhere.passages);
        scores
            .iter()
            .flatten()
            .map(|span| span.log_prob().exp())
            .collect()
    };
    let (before, after) = (probability(before), probability(after));
    let spans = elsewhere.passages.iter().zip(&elsewhere.groups);
    let groups = spans.flat_map(|(passage, group)| passage.spans.iter().map(|_| *group));
    let changes: Vec<(usize, f64)> = groups
        .zip(after.iter().zip(&before))
        .map(|(group, (after, before))| (group, after - before))
        .collect();
    Measurement::mean(name, Unit::Points, &changes)
}

/// Perplexity of texts: `exp` of the mean negative log-probability a token. The interval is over
/// texts; `None` for one text.
pub fn perplexity(name: &str, passages: &[Passage], network: &dyn Network) -> Measurement {
    let losses: Vec<(usize, f64)> = score(network, passages)
        .iter()
        .enumerate()
        .flat_map(|(text, spans)| {
            let tokens = spans.iter().flat_map(|span| &span.log_probs);
            tokens
                .map(move |log_prob| (text, -log_prob))
                .collect::<Vec<_>>()
        })
        .collect();
    let mean = Measurement::mean(name, Unit::Perplexity, &losses);
    Measurement {
        value: mean.value.exp(),
        interval: mean.interval.map(|interval| crate::Interval {
            low: interval.low.exp(),
            high: interval.high.exp(),
        }),
        ..mean
    }
}
