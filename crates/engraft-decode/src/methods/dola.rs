//! DoLa — what the last layer knows and an earlier one does not yet.
//!
//! # What it does
//! Reads the model's answer at several earlier layers, picks the one that differs most from the last
//! layer, and prefers the tokens that became more probable between the two.
//!
//! # When to use it, when not
//! On factual questions to models of several billion parameters, where it was published. At 135M
//! parameters it changes texts without making them truer. Not on contexts that should be copied: what
//! early layers see already is lowered.
//!
//! # How
//! `f` are the final logits, `g_j` those of candidate layer j. With `M = (softmax f + softmax g_j)/2`,
//! j is the layer with the largest mean over the vocabulary of
//! `M (ln M - (ln softmax f + ln softmax g_j)/2)`; a single candidate is taken as it is. Where
//! `ln softmax f >= max + ln(relative_top)`: `score = ln softmax f - ln softmax g_j`; elsewhere `-inf`.
//!
//! # Where paper and code differ and which we follow
//! The Jensen-Shannon divergence of the paper has its arguments swapped in the code, as above; we
//! follow the code. The code puts earlier layers through the head without the final norm, which the
//! last layer does get; we do the same unless `norm` is set. The candidates of the paper depend on the
//! model; ours are those that transformers 4.49 calls `low`, for tied embeddings.
//!
//! # Evidence
//! Parity with the official code and transformers 4.49: `parity/decoding-baselines`, kind `dola`.
//!
//! # Reference
//! Chuang et al. DoLa: Decoding by Contrasting Layers Improves Factuality in Large Language Models.
//! ICLR 2024, arXiv 2309.03883.

use clap::Args;
use engraft_method::parity::{Case, Check, ParityError};
use engraft_runtime::Site;
use serde::{Deserialize, Serialize};

use crate::{
    DecodeMethod, Source, Steering, Step, Target, Told, Way,
    logits::{argmax, max},
    reference,
};

mod divergence;
mod layers;

use divergence::{Distribution, divergence};
pub use layers::Layers;

/// Settings of `dola`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Dola {
    /// Earlier layers to contrast with: `low` or `high` half of the model (every second), or numbers
    /// like `2,4,6`; 0 are the embeddings, n is what block n gives.
    #[arg(long, default_value_t = Self::default().layers)]
    pub layers: Layers,
    /// Possible are tokens at least so many times as probable as the most probable one.
    #[arg(long, default_value_t = Self::default().relative_top)]
    pub relative_top: f32,
    /// Put earlier layers through the final norm too.
    #[arg(long)]
    pub norm: bool,
}

impl Default for Dola {
    fn default() -> Self {
        Self {
            layers: Layers::Low,
            relative_top: 0.1,
            norm: false,
        }
    }
}

impl Dola {
    /// Scores from the last layer and an earlier one, `[vocab]` each.
    fn contrast(&self, last: &Distribution, early: &Distribution) -> Vec<f32> {
        let least = max(&last.log) + self.relative_top.ln();
        let both = last.log.iter().zip(&early.log);
        both.map(|(&f, &g)| match f >= least {
            true => f - g.max(f32::MIN),
            false => f32::NEG_INFINITY,
        })
        .collect()
    }
}

impl DecodeMethod for Dola {
    const NAME: &'static str = "dola";
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "decoding-baselines",
            kind: "dola",
            run: parity,
        },
        Check {
            slug: "decoding-baselines",
            kind: "generate",
            run: parity_of_answers,
        },
    ];

    fn check(&self) -> Result<(), String> {
        match self.relative_top > 0.0 && self.relative_top <= 1.0 {
            true => Ok(()),
            false => {
                let value = self.relative_top;
                Err(format!(
                    "relative_top is {value}; it must be above 0 and at most 1"
                ))
            }
        }
    }

    fn start(&self, model: &Target<'_>) -> Result<Way, String> {
        Ok(Way::Steer(Box::new(Contrasting {
            layers: self.layers.of(model.shape.blocks)?,
            dola: self.clone(),
        })))
    }
}

/// DoLa on a model: the numbers of its candidate layers.
struct Contrasting {
    dola: Dola,
    layers: Vec<usize>,
}

impl Steering for Contrasting {
    fn sites(&self) -> Vec<Site> {
        let site = |&layer: &usize| match layer {
            0 => Site::Embeddings,
            _ => Site::After(layer - 1),
        };
        self.layers.iter().map(site).collect()
    }

    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let head = if self.dola.norm { step.lens } else { step.head };
        let logits = head(&step.states.concat());
        let early: Vec<Distribution> = logits
            .chunks_exact(scores.len())
            .map(Distribution::of)
            .collect();
        let plain = argmax(scores);
        let last = Distribution::of(scores);
        let (at, divergence) = most_different(&last, &early);
        let (Some(early), Some(&layer)) = (early.get(at), self.layers.get(at)) else {
            return Told::default();
        };
        scores.copy_from_slice(&self.dola.contrast(&last, early));
        let mut numbers = vec![("layer", layer as f64)];
        numbers.extend(divergence.map(|divergence| ("divergence", divergence)));
        Told {
            source: Some(match argmax(scores) == plain {
                true => Source::Model,
                false => Source::Layer(layer),
            }),
            numbers,
            ..Told::default()
        }
    }
}

/// The place of the distribution that differs most from the last layer's (of equals the first), and by
/// how much unless it is the only one.
fn most_different(last: &Distribution, early: &[Distribution]) -> (usize, Option<f64>) {
    if early.len() < 2 {
        return (0, None);
    }
    let divergences: Vec<f64> = early.iter().map(|g| divergence(last, g)).collect();
    let at = argmax(&divergences);
    (at, Some(divergences[at]))
}

/// Rows share one layer: that with the largest divergence on average.
fn parity(case: &mut Case) -> Result<(), ParityError> {
    let dola = Dola {
        relative_top: case.number("relative_top")? as f32,
        ..Dola::default()
    };
    let distributions = |logits: &[f32], vocab: usize| -> Vec<Distribution> {
        logits.chunks_exact(vocab).map(Distribution::of).collect()
    };
    let [rows, vocab] = case.input("final_logits")?.rows();
    let last = distributions(&case.input("final_logits")?.f32(), vocab);
    let early = distributions(&case.input("premature_logits")?.f32(), vocab);
    let layers: Vec<&[Distribution]> = early.chunks_exact(rows).collect();
    if layers.len() != case.numbers("candidate_layers")?.len() {
        let reason = "there are not as many early logits as candidate layers";
        return Err(ParityError::Computation(reason.to_owned()));
    }
    let of_layer = |layer: &&[Distribution]| {
        let rows = last.iter().zip(*layer);
        rows.map(|(f, g)| divergence(f, g)).sum::<f64>() / last.len() as f64
    };
    let divergences: Vec<f64> = layers.iter().map(of_layer).collect();
    let chosen = argmax(&divergences);
    let scores: Vec<Vec<f32>> = last
        .iter()
        .zip(layers[chosen])
        .map(|(f, g)| dola.contrast(f, g))
        .collect();
    case.output("js_divs", divergences);
    case.output("chosen", [chosen as f64]);
    case.output("argmax", scores.iter().map(|row| argmax(row) as f64));
    // Both codes remove the same tokens; what they write on the other side of the difference is lost.
    case.output_f32("scores_official", &scores.concat());
    case.output_f32("scores_hf449", &scores.concat());
    Ok(())
}

/// The text with the candidates of the case.
fn parity_of_answers(case: &mut Case) -> Result<(), ParityError> {
    let layers = case.numbers("dola_candidate_layers")?;
    let relative_top = case.number("dola_relative_top")? as f32;
    let model = reference::model()?;
    let prompt = reference::ids(case, "p0")?;
    let mut way = Way::Steer(Box::new(Contrasting {
        layers: layers.into_iter().map(|layer| layer as usize).collect(),
        dola: Dola {
            relative_top,
            ..Dola::default()
        },
    }));
    let found = reference::answered(model, &reference::prompt(&prompt, None), &mut way, 8)?;
    case.output("dola_low", found.into_iter().map(f64::from));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dola_takes_a_single_layer_unmeasured_and_else_the_most_different() {
        let last = Distribution::of(&[3.0, 0.0, 1.0]);
        let near = || Distribution::of(&[3.0, 0.1, 1.0]);
        let far = Distribution::of(&[0.0, 3.0, 0.0]);
        assert_eq!(most_different(&last, &[near()]), (0, None));
        let (at, divergence) = most_different(&last, &[near(), far, near()]);
        assert_eq!(at, 1);
        assert!(divergence.is_some_and(|divergence| divergence > 0.01));
    }

    #[test]
    fn dola_reads_embeddings_for_layer_0_and_states_without_the_final_norm() {
        let mut steering = Contrasting {
            dola: Dola::default(),
            layers: vec![0, 3],
        };
        assert_eq!(steering.sites(), [Site::Embeddings, Site::After(2)]);
        let logits = [2.0, 1.9, -9.0];
        let step = Step {
            logits: &[&logits],
            tokens: &[],
            prompt: 0,
            states: &[vec![1.0], vec![2.0]],
            lens: &|_| unreachable!("no norm was asked for"),
            head: &|states| {
                assert_eq!(states, [1.0, 2.0]);
                vec![2.0, 1.8, -9.0, 5.0, 0.0, 0.0]
            },
        };
        let mut scores = logits;
        let told = steering.scores(&step, &mut scores);
        assert_eq!(told.source, Some(Source::Layer(3)));
        assert_eq!(argmax(&scores), 1);
        assert_eq!(scores[2], f32::NEG_INFINITY);
    }
}
