//! How probable a network finds stretches of given texts, and whether it would say them itself.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use engraft_nets::{Batch, IGNORE, Input, Logits, Mode, Network, Taps};

/// A text and the stretches of it that count.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    pub ids: Vec<u32>,
    /// Token positions to score; position 0 cannot be predicted and must not be in a span.
    pub spans: Vec<Range<usize>>,
}

impl Passage {
    /// A prompt and the completion to score.
    pub fn completion(prompt: &[u32], completion: &[u32]) -> Self {
        let mut ids = prompt.to_vec();
        ids.extend(completion);
        let scored = prompt.len()..ids.len();
        Self {
            ids,
            spans: vec![scored],
        }
    }
}

/// What a network makes of one span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanScore {
    /// Natural log-probability of each token, given all before it.
    pub log_probs: Vec<f64>,
    /// Every token is the most probable one: greedy decoding says exactly this.
    pub exact: bool,
}

impl SpanScore {
    /// Natural log-probability of the whole span.
    pub fn log_prob(&self) -> f64 {
        self.log_probs.iter().sum()
    }
}

/// Tokens a forward pass takes at most; passages of similar length share one.
const TOKENS: usize = 8192;
/// Rows of logits that exist at one time.
const ROWS: usize = 1024;

/// Scores every span of every passage, in the order given. The network should be plain.
pub fn score(network: &dyn Network, passages: &[Passage]) -> Vec<Vec<SpanScore>> {
    let mut order: Vec<usize> = (0..passages.len()).collect();
    order.sort_by_key(|&index| passages[index].ids.len());
    let mut scores = vec![Vec::new(); passages.len()];
    let mut rest = &order[..];
    while !rest.is_empty() {
        let mut take = 1;
        while take < rest.len() && (take + 1) * passages[rest[take]].ids.len() <= TOKENS {
            take += 1;
        }
        let (now, later) = rest.split_at(take);
        for (index, spans) in now.iter().zip(forward(network, passages, now)) {
            scores[*index] = spans;
        }
        rest = later;
    }
    scores
}

fn forward(network: &dyn Network, passages: &[Passage], chosen: &[usize]) -> Vec<Vec<SpanScore>> {
    let longest = chosen
        .iter()
        .map(|&i| passages[i].ids.len())
        .max()
        .unwrap_or(0);
    let mut ids = Vec::with_capacity(chosen.len() * longest);
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (place, &index) in chosen.iter().enumerate() {
        let passage = &passages[index];
        ids.extend(&passage.ids);
        ids.resize((place + 1) * longest, 0);
        for position in passage.spans.iter().cloned().flatten() {
            rows.push((place * longest + position - 1) as i64);
            targets.push(i64::from(passage.ids[position]));
        }
    }
    let batch = Batch {
        input: Input::Tokens {
            ids,
            shape: [chosen.len(), longest],
        },
        labels: vec![IGNORE; chosen.len() * longest],
        samples: chosen.to_vec(),
    };
    let logits = network
        .forward(&batch, Mode::Eval, &mut Taps::none())
        .logits;
    let mut scored = rows
        .chunks(ROWS)
        .zip(targets.chunks(ROWS))
        .flat_map(|(rows, targets)| tokens(&logits, rows, targets))
        .collect::<Vec<_>>()
        .into_iter();
    chosen
        .iter()
        .map(|&index| {
            let spans = passages[index].spans.iter();
            spans
                .map(|span| {
                    let (log_probs, best): (Vec<f64>, Vec<bool>) =
                        scored.by_ref().take(span.len()).unzip();
                    SpanScore {
                        log_probs,
                        exact: best.into_iter().all(|best| best),
                    }
                })
                .collect()
        })
        .collect()
}

/// (log-probability, most probable) of a target token in each of some rows.
fn tokens(logits: &Logits, rows: &[i64], targets: &[i64]) -> Vec<(f64, bool)> {
    let device = match logits {
        Logits::Full(logits) => logits.device(),
        Logits::Head(head) => head.hidden.device(),
    };
    let some = logits.clone().select(indices(rows, &device));
    let log_probs = log_softmax(some.full(), 1);
    let target = indices(targets, &log_probs.device()).reshape([targets.len(), 1]);
    let picked = numbers(log_probs.clone().gather(1, target));
    let best = numbers(log_probs.max_dim(1));
    picked
        .into_iter()
        .zip(best)
        .map(|(picked, best)| (f64::from(picked), picked >= best))
        .collect()
}

fn indices(values: &[i64], device: &burn::tensor::Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .expect("just converted to f32")
}
