//! The conflict between memory and context at one token, and the scores built from it.

use super::CkPlug;
use crate::logits::{kth_largest, max, softmax};

/// What the logits with and without context say about a conflict.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// Tokens that one of both prompts finds plausible, ascending.
    pub kept: Vec<usize>,
    /// Entropy of the kept tokens in nats, with context.
    pub entropy_context: f32,
    /// The same without context.
    pub entropy_question: f32,
    /// Whether this is a conflict.
    pub found: bool,
}

/// How much memory and the context's part count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    pub memory: f32,
    pub context: f32,
}

impl Weights {
    pub fn fixed(alpha: f32) -> Self {
        Self {
            memory: alpha,
            context: 1.0 - alpha,
        }
    }

    /// For two prompts that both are entirely sure.
    const EVEN: Self = Self {
        memory: 1.0,
        context: 1.0,
    };
}

impl Conflict {
    /// From the logits `[vocab]` with and without context.
    pub fn between(settings: &CkPlug, context: &[f32], question: &[f32]) -> Self {
        let least_context = threshold(context, settings);
        let least_question = threshold(question, settings);
        let kept: Vec<usize> = (0..context.len())
            .filter(|&token| context[token] >= least_context || question[token] >= least_question)
            .collect();
        let entropy = |logits: &[f32]| -> f32 {
            let left: Vec<f32> = kept.iter().map(|&token| logits[token]).collect();
            let probabilities = softmax(&left);
            let possible = probabilities.iter().filter(|&&p| p > 0.0);
            let terms = possible.map(|p| p * (p + settings.entropy_eps).ln());
            0.0 - terms.sum::<f32>()
        };
        let (entropy_context, entropy_question) = (entropy(context), entropy(question));
        let gain = entropy_question - entropy_context;
        Self {
            found: gain < settings.kappa * entropy_context.abs(),
            kept,
            entropy_context,
            entropy_question,
        }
    }

    /// How much surer the context makes the model, in nats.
    pub fn gain(&self) -> f32 {
        self.entropy_question - self.entropy_context
    }

    /// The weights of the official code.
    pub fn weights_of_code(&self) -> Weights {
        let (context, question) = (self.entropy_context, self.entropy_question);
        let both = context + question;
        if both <= 0.0 {
            return Weights::EVEN;
        }
        let scale = context + question * (1.0 + (context - question).abs() / both);
        Weights {
            memory: 2.0 * context / scale,
            context: 2.0 * question / scale,
        }
    }

    /// The weights of the paper.
    pub fn weights_of_paper(&self) -> Weights {
        let both = self.entropy_context + self.entropy_question;
        match both > 0.0 {
            true => Weights::fixed(self.entropy_context / both),
            false => Weights::EVEN,
        }
    }

    /// Writes the scores: weighted ones, or without weights those of the context; removed tokens are
    /// `-inf`, and so are weighted ones that a prompt rules out.
    pub fn write(
        &self,
        weights: Option<Weights>,
        context: &[f32],
        question: &[f32],
        scores: &mut [f32],
    ) {
        scores.fill(f32::NEG_INFINITY);
        for &token in &self.kept {
            let (c, p) = (context[token], question[token]);
            match weights {
                None => scores[token] = c,
                Some(weights) if c.is_finite() && p.is_finite() => {
                    scores[token] = weights.memory * p + weights.context * (c - p);
                }
                Some(_) => {}
            }
        }
    }
}

/// The logit from which a token is plausible: `relative_top` times as probable as the most probable
/// one, or among the `top_k` most probable.
fn threshold(logits: &[f32], settings: &CkPlug) -> f32 {
    let relative = max(logits) + settings.relative_top.ln();
    let above = logits.iter().filter(|&&x| x >= relative).count();
    match above >= settings.top_k {
        true => relative,
        false => kth_largest(logits, settings.top_k),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(settings: &CkPlug, context: &[f32], question: &[f32]) -> Vec<f32> {
        let conflict = Conflict::between(settings, context, question);
        let weights = conflict.found.then(|| settings.weights(&conflict));
        let mut scores = vec![0.0; context.len()];
        conflict.write(weights, context, question, &mut scores);
        scores
    }

    const CONTEXT: [f32; 4] = [2.0, 1.5, 0.0, -9.0];
    const QUESTION: [f32; 4] = [-1.0, 4.0, 0.5, -9.0];

    fn settings(alpha: f32) -> CkPlug {
        CkPlug {
            alpha,
            top_k: 2,
            ..CkPlug::default()
        }
    }

    #[test]
    fn a_half_keeps_the_context_and_the_ends_obey_one_side() {
        let half = scores(&settings(0.5), &CONTEXT, &QUESTION);
        assert_eq!(half, [1.0, 0.75, 0.0, f32::NEG_INFINITY]);
        let memory = scores(&settings(1.0), &CONTEXT, &QUESTION);
        assert_eq!(memory[..3], QUESTION[..3]);
        let context = scores(&settings(0.0), &CONTEXT, &QUESTION);
        assert_eq!(context[..3], [3.0, -2.5, -0.5]);
    }

    #[test]
    fn a_context_that_makes_much_surer_is_followed_as_it_is() {
        let context = [9.0, 0.0, 0.0, 0.0];
        let question = [0.0, 0.1, 0.0, 0.1];
        let kept = scores(&settings(1.0), &context, &question);
        assert_eq!(kept[0], 9.0);
    }

    #[test]
    fn the_conflict_test_of_the_code_fires_where_that_of_the_paper_does_not() {
        let context = [1.0, 0.9, -9.0, -9.0];
        let question = [1.0, 0.9, 0.2, -9.0];
        let found = |kappa: f32| {
            let settings = CkPlug {
                kappa,
                ..settings(0.5)
            };
            Conflict::between(&settings, &context, &question).found
        };
        assert_eq!([found(1.0), found(0.0)], [true, false]);
    }

    #[test]
    fn sure_prompts_and_impossible_tokens_give_no_nan() {
        let never = f32::NEG_INFINITY;
        let sure = Conflict {
            kept: vec![0],
            entropy_context: 0.0,
            entropy_question: 0.0,
            found: true,
        };
        assert_eq!(sure.weights_of_code(), Weights::EVEN);
        assert_eq!(sure.weights_of_paper(), Weights::EVEN);
        let settings = CkPlug {
            top_k: 10,
            ..settings(0.0)
        };
        let scores = scores(&settings, &[1.0, 1.1, never], &[1.0, never, never]);
        assert!(scores.iter().all(|x| !x.is_nan()), "{scores:?}");
        assert_eq!(scores[2], never);
    }
}
